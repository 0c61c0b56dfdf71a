"use strict";

/* Draws the figures of a page: `<figure data-figure='...'>`, whose JSON is what `kag.report.figure.as_json` gives.

   kagCharts.draw(element, figure)     draw a figure in an element
   kagCharts.update(element, figure)   show other values there; zoom and hidden lines stay
   kagCharts.drawAll(root)             draw every figure inside; the document's own are drawn on load

   Charts follow the screen: its colours by the variables of charts.css, its width, and paper while it prints. */
const kagCharts = (() => {
  const places = new Map();

  function look(plot) {
    const style = getComputedStyle(plot);
    const value = (name) => style.getPropertyValue(name).trim();
    const words = (name) => value(name).split(/\s+/);
    return {
      surface: value("--surface"), raised: value("--raised"), ink: value("--ink"), muted: value("--muted"),
      grid: value("--grid"), accent: value("--accent"), span: value("--span"),
      colours: words("--colours"), scale: words("--scale"), width: plot.clientWidth,
    };
  }

  /* Figures that are as high as they have lines. */
  const linesOf = (figure) => ({ bars: figure.labels, forest: figure.rows })[figure.kind]?.length ?? null;

  /* What stands below a figure, as text that can be read and copied. */
  const notesOf = (figure) => (figure.notes ?? []).map((note) => {
    const line = document.createElement("p");
    line.className = "note";
    line.textContent = note;
    return line;
  });

  const sizeOf = (plot) => `${plot.clientWidth} ${plot.clientHeight}`;

  function show(place) {
    const { figure, plot } = place;
    if (figure.kind === "graph") {
      kagLineage.draw(plot, figure);
      return;
    }
    if (plot.clientWidth === 0) return;
    place.size = sizeOf(plot);
    if (place.chart === null) {
      place.chart = echarts.init(plot, null, { devicePixelRatio: Math.max(2, window.devicePixelRatio) });
      place.chart.getZr().on("dblclick", () => place.chart.dispatchAction({ type: "dataZoom", start: 0, end: 100 }));
      if (figure.kind === "chart" && figure.axis !== null) {
        place.chart.group = figure.axis;
        echarts.connect(figure.axis);
      }
    }
    place.chart.resize();
    place.chart.setOption(kagOptions[figure.kind](figure, look(plot)), { replaceMerge: ["series", "parallelAxis"] });
  }

  function forget(element) {
    const place = places.get(element);
    if (place === undefined) return;
    place.watch.disconnect();
    if (place.chart !== null) place.chart.dispose();
    places.delete(element);
  }

  function draw(element, figure) {
    forget(element);
    const caption = document.createElement("figcaption");
    caption.textContent = figure.title;
    const plot = document.createElement("div");
    plot.className = linesOf(figure) === null ? "plot" : "plot bars";
    if (linesOf(figure) !== null) plot.style.setProperty("--rows", linesOf(figure));
    element.replaceChildren(caption, plot, ...notesOf(figure));
    const place = { figure, plot, chart: null, watch: null, size: "" };
    place.watch = new ResizeObserver(() => {
      if (sizeOf(plot) !== place.size && figure.kind !== "graph") show(place);
    });
    places.set(element, place);
    show(place);
    place.watch.observe(plot);
  }

  function update(element, figure) {
    const place = places.get(element);
    if (place === undefined || place.figure.kind !== figure.kind) {
      draw(element, figure);
      return;
    }
    place.figure = figure;
    element.querySelector("figcaption").textContent = figure.title;
    if (linesOf(figure) !== null) place.plot.style.setProperty("--rows", linesOf(figure));
    element.querySelectorAll(".note").forEach((note) => note.remove());
    element.append(...notesOf(figure));
    show(place);
  }

  function drawAll(root) {
    const elements = root.querySelectorAll("figure[data-figure]");
    for (const element of elements) draw(element, JSON.parse(element.dataset.figure));
  }

  function redraw() {
    for (const [element, place] of places) {
      if (element.isConnected) show(place);
      else forget(element);
    }
  }

  function print(begins) {
    document.documentElement.classList.toggle("printing", begins);
    redraw();
    for (const { chart } of places.values()) if (chart !== null) chart.getZr().flush();
  }

  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => print(false));
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => drawAll(document));
  else drawAll(document);

  return { draw, update, drawAll };
})();
