"use strict";

/* Draws the figures of a page: `<figure data-figure='...'>`, whose JSON is what `kag.report.figure.as_json` gives.

   kagCharts.frame(element, figure)    lay out a figure in an element, all but its picture
   kagCharts.update(element, figure)   draw it there, or show other values; zoom and hidden lines stay
   kagCharts.drawAll(root)             draw every figure inside; the document's own are drawn on load
   kagCharts.view({ smooth, log })     how curves are looked at: weight of the smoothing, logarithmic y axis
   kagCharts.zoom(stretch)             show a stretch { from, to } of the x axis, null all; a `kag:zoom` tells of each change
   kagCharts.move(way)                 the same from the keyboard: "in", "out", "back" or "on"
   kagCharts.point(id)                 one curve above the others, null none; a `kag:near` tells what a hand points at

   Charts follow the screen: its colours by the variables of charts.css, its width, and paper while it prints. */
const kagCharts = (() => {
  const places = new Map();
  const view = { smooth: 0, log: false };
  let stretch = null;
  let pointedAt = null;

  const ZOOM = { type: "inside", filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseMove: "ctrl",
    moveOnMouseWheel: false, preventDefaultMouseMove: false };

  const bounds = () => (stretch === null ? { start: 0, end: 100 } : { startValue: stretch.from, endValue: stretch.to });

  function look(plot) {
    const style = getComputedStyle(plot);
    const value = (name) => style.getPropertyValue(name).trim();
    const words = (name) => value(name).split(/\s+/);
    return {
      surface: value("--surface"), raised: value("--raised"), ink: value("--ink"), muted: value("--muted"),
      grid: value("--grid"), accent: value("--accent"), span: value("--span"),
      colours: words("--colours"), scale: words("--scale"), width: plot.clientWidth,
      view, zoom: { ...ZOOM, ...bounds() }, legendOutside: plot.closest("[data-legend=outside]") !== null,
    };
  }

  /* Figures that are as high as they have lines. */
  const linesOf = (figure) => ({ bars: figure.labels, forest: figure.rows, timeline: figure.agents })[figure.kind]?.length ?? null;

  /* What stands below a figure, as text that can be read and copied. */
  const notesOf = (figure) => (figure.notes ?? []).map((note) => {
    const line = document.createElement("p");
    line.className = "note";
    line.textContent = note;
    return line;
  });

  const sizeOf = (plot) => `${plot.clientWidth} ${plot.clientHeight}`;

  const isCurves = (figure) => figure.kind === "chart" || figure.kind === "bundle";

  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));

  function watch(place) {
    const { chart, plot, figure } = place;
    kagZooming.attach(chart, () => look(plot).accent);
    chart.getZr().on("mousemove", () => { pointedAt = place; });
    chart.on("datazoom", () => {
      if (pointedAt !== place) return;  // charts of one axis follow, each as far as its curves go
      const [{ start, end, startValue, endValue }] = chart.getOption().dataZoom;
      stretch = start <= 0 && end >= 100 ? null : { from: startValue, to: endValue };
      tell("kag:zoom", stretch);
    });
    if (figure.axis !== null) {
      chart.group = figure.axis;
      echarts.connect(figure.axis);
    }
    if (figure.kind !== "bundle") return;
    const find = ({ offsetX, offsetY }) => (chart.containPixel({ gridIndex: 0 }, [offsetX, offsetY])
      ? kagBundle.nearest(place.figure, look(plot), chart, [offsetX, offsetY]) : null);
    chart.getZr().on("mousemove", (event) => pointed(place, find(event)));
    chart.getZr().on("globalout", () => pointed(place, null));
  }

  function pointed(place, found) {
    place.note.textContent = found === null ? "" : kagBundle.told(place.figure, found);
    point(found?.line.id ?? null);
    tell("kag:near", { id: found?.line.id ?? null });
  }

  function point(id) {
    for (const { chart, figure, plot } of places.values()) {
      if (chart === null || figure.kind !== "bundle" || plot.dataset.near === String(id)) continue;
      plot.dataset.near = String(id);
      kagBundle.near(chart, figure.lines.find((line) => line.id === id) ?? null, look(plot));
    }
  }

  function zoom(wanted) {
    [stretch, pointedAt] = [wanted, null];
    for (const { chart, figure } of places.values()) {
      if (chart !== null && isCurves(figure)) chart.dispatchAction({ type: "dataZoom", ...bounds() });
    }
    tell("kag:zoom", stretch);
  }

  function move(way) {
    const x = [...places.values()].filter(({ figure }) => isCurves(figure))
      .flatMap(({ figure }) => figure.lines.flatMap((line) => [line.x[0], line.x.at(-1)]));
    if (x.length) zoom(kagZooming.moved(stretch, kagDrawing.lowest(x), kagDrawing.highest(x), way));
  }

  function show(place) {
    const { figure, plot } = place;
    if (figure.kind === "graph") {
      kagLineage.draw(plot, figure);
      return;
    }
    if (place.watch === null) {
      place.watch = new ResizeObserver(() => { if (sizeOf(plot) !== place.size) show(place); });
      place.watch.observe(plot);
    }
    if (plot.clientWidth === 0) return;
    const size = sizeOf(plot);
    if (place.chart === null) {
      place.chart = echarts.init(plot, null, { devicePixelRatio: Math.max(2, window.devicePixelRatio) });
      if (isCurves(figure)) watch(place);
    } else if (size !== place.size) {
      place.chart.resize();
    }
    place.size = size;
    place.chart.setOption(kagOptions[figure.kind](figure, look(plot)), { replaceMerge: ["series", "parallelAxis"] });
  }

  function forget(element) {
    const place = places.get(element);
    if (place === undefined) return;
    place.watch?.disconnect();
    if (place.chart !== null) place.chart.dispose();
    places.delete(element);
  }

  /* The room of a figure depends on those beside it: whoever draws several lays out all of them first. */
  function frame(element, figure) {
    forget(element);
    const caption = document.createElement("figcaption");
    caption.textContent = figure.title;
    const plot = document.createElement("div");
    plot.className = linesOf(figure) === null ? "plot" : "plot bars";
    if (linesOf(figure) !== null) plot.style.setProperty("--rows", linesOf(figure));
    const note = document.createElement("p");
    note.className = "readout";
    element.replaceChildren(caption, ...(figure.kind === "bundle" ? [note] : []), plot, ...notesOf(figure));
    places.set(element, { figure, plot, note, chart: null, watch: null, size: "" });
  }

  function update(element, figure) {
    if (places.get(element)?.figure.kind !== figure.kind) frame(element, figure);
    const place = places.get(element);
    if (place.figure !== figure) {
      place.figure = figure;
      element.querySelector("figcaption").textContent = figure.title;
      if (linesOf(figure) !== null) place.plot.style.setProperty("--rows", linesOf(figure));
      element.querySelectorAll(".note").forEach((note) => note.remove());
      element.append(...notesOf(figure));
    }
    show(place);
  }

  function drawAll(root) {
    const figures = [...root.querySelectorAll("figure[data-figure]")].map((one) => [one, JSON.parse(one.dataset.figure)]);
    for (const [element, figure] of figures) frame(element, figure);
    for (const [element, figure] of figures) update(element, figure);
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

  return {
    frame, update, drawAll, zoom, move, point,
    view: (wanted) => {
      Object.assign(view, wanted);
      redraw();
    },
  };
})();
