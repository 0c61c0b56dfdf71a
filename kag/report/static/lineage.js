"use strict";

/* A lineage as SVG: its boxes are links that a keyboard reaches, and its text is text. */
const kagLineage = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const FONT = "13px system-ui, sans-serif";
  const LONGEST = 34;
  const LINE = 17;
  const GAP = { column: 110, row: 26, margin: 10 };

  function make(name, attributes, ...children) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  const short = (text, most = LONGEST) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

  const told = (edge) => short(edge.label, 20);

  /* Place and size of every box by the id of its node, and the way through a free place. */
  function boxes(nodes, edges) {
    const lines = Math.max(...nodes.map((node) => node.label.split("\n").length));
    const height = lines * LINE + 16;
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = FONT;
    const widths = [];
    for (const node of nodes) {
      const longest = Math.max(...node.label.split("\n").map((line) => pen.measureText(short(line)).width));
      widths[node.column] = Math.max(widths[node.column] ?? 0, Math.ceil(longest) + 24);
    }
    const label = Math.max(...edges.map((edge) => pen.measureText(told(edge)).width));
    const gap = Math.max(GAP.column, Math.ceil(label) + 24);
    const left = (column) => widths.slice(0, column).reduce((sum, width) => sum + width + gap, GAP.margin);
    const place = (column, row) => ({
      x: left(column), y: GAP.margin + row * (height + GAP.row), width: widths[column], height,
    });
    return {
      of: new Map(nodes.map((node) => [node.id, place(node.column, node.row)])),
      passage: ([column, row]) => {
        const { x, y, width } = place(column, row);
        return [[x, y + height / 2], [x + width, y + height / 2]];
      },
    };
  }

  function box(node, { x, y, width, height }) {
    const lines = node.label.split("\n").map((line, i) => make(
      "tspan", { x: x + 12, y: y + 8 + LINE * (i + 0.75), ...(i ? { class: "note" } : {}) }, short(line),
    ));
    const frame = make("rect", { x, y, width, height, rx: 7 });
    const parts = [make("title", {}, node.id), frame, make("text", {}, ...lines)];
    const address = node.link === null ? null : new URL(node.link, document.baseURI);
    const safe = address !== null && ["http:", "https:", "file:"].includes(address.protocol);
    const inside = safe ? [make("a", { href: node.link }, ...parts)] : parts;
    return make("g", node.current ? { class: "current" } : {}, ...inside);
  }

  /* From the right side of one box to the left side of another, through the free places between. The label stands at
     the end where fewer edges meet. */
  function arrow(edge, from, to, passage, fansOut) {
    const end = [to.x - 7, to.y + to.height / 2];
    const points = [[from.x + from.width, from.y + from.height / 2], ...edge.via.flatMap(passage), end];
    const parts = points.slice(1).map(([x, y], i) => {
      const [x0, y0] = points[i];
      const bend = Math.max(30, Math.abs(x - x0) / 2);
      return y === y0 ? `L${x},${y}` : `C${x0 + bend},${y0} ${x - bend},${y} ${x},${y}`;
    });
    const [[x0, y0]] = points;
    const head = `${end[0]},${end[1] - 4} ${to.x},${end[1]} ${end[0]},${end[1] + 4}`;
    const place = fansOut ? { x: end[0] - 6, y: end[1] - 6, "text-anchor": "end" } : { x: x0 + 10, y: y0 - 6 };
    return [
      make("path", { class: edge.dashed ? "edge compared" : "edge", d: `M${x0},${y0} ${parts.join(" ")}` }),
      make("polygon", { class: "arrow", points: head }),
      make("text", { class: "note", ...place }, make("title", {}, edge.label), told(edge)),
    ];
  }

  function draw(place, figure) {
    const { of, passage } = boxes(figure.nodes, figure.edges);
    const all = [...of.values()];
    const width = Math.max(...all.map((one) => one.x + one.width)) + GAP.margin;
    const passed = figure.edges.flatMap((edge) => edge.via.flatMap(passage)).map(([, y]) => y);
    const height = Math.max(...all.map((one) => one.y + one.height), ...passed) + GAP.margin;
    const fansOut = (edge) => figure.edges.filter((other) => other.source === edge.source).length > 1;
    const arrows = figure.edges.flatMap(
      (edge) => arrow(edge, of.get(edge.source), of.get(edge.target), passage, fansOut(edge)),
    );
    const nodes = figure.nodes.map((node) => box(node, of.get(node.id)));
    place.className = "plot lineage";
    place.replaceChildren(make("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, ...arrows, ...nodes));
    const current = figure.nodes.find((node) => node.current);
    if (current) {
      const at = of.get(current.id);
      place.scrollLeft = at.x + at.width / 2 - place.clientWidth / 2;
    }
  }

  return { draw };
})();
