/* Which trials of a sweep are looked at: stretches of the axes of parallel coordinates, which the address keeps.

   They are drawn on the axes by hand, or written as numbers. A stretch is [low, high] of an axis of numbers, and a list
   of words of one of words. */

import { make } from "./cells.js";

const WORD = "brush";

const find = (id) => document.getElementById(id);

/* What the address says, as far as it is a stretch. */
function read(address) {
  try {
    const said = JSON.parse(address.get(WORD) ?? "{}");
    return new Map(Object.entries(said ?? {}).filter(([, one]) => Array.isArray(one)));
  } catch {
    return new Map();
  }
}

const isWithin = (axis, stretch, value) => value !== null && (axis.words ? stretch.includes(axis.words[value])
  : (stretch[0] === null || value >= stretch[0]) && (stretch[1] === null || value <= stretch[1]));

/* The brush of a page. `changed` is called when other trials are looked at. */
export function brush(changed) {
  const address = new URLSearchParams(location.search);
  const stretches = read(address);
  let figure = null;
  let attached = null;

  const known = () => (figure?.axes ?? []).filter((axis) => stretches.has(axis.label));

  /* Names of the trials that are looked at; null is all. */
  function fits() {
    const axes = known();
    if (axes.length === 0) return null;
    const place = new Map(figure.axes.map((axis, i) => [axis.label, i]));
    const rows = figure.labels.filter((_label, row) => axes.every((axis) => (
      isWithin(axis, stretches.get(axis.label), figure.rows[row][place.get(axis.label)]))));
    return new Set(rows);
  }

  function keep() {
    stretches.size ? address.set(WORD, JSON.stringify(Object.fromEntries(stretches))) : address.delete(WORD);
    const text = address.toString();
    history.replaceState(null, "", text ? `?${text}` : location.pathname);
  }

  function set(label, stretch) {
    stretch === null ? stretches.delete(label) : stretches.set(label, stretch);
    keep();
    say();
    changed();
  }

  function say() {
    const found = fits();
    find("brush").hidden = figure === null;
    find("unbrush").hidden = stretches.size === 0;
    find("brushed").textContent = found === null ? "Drag along an axis to look at some of the trials"
      : `${found.size} of ${figure?.labels.length ?? 0} trials`;
  }

  /* The stretches on the axes, as if a hand had drawn them. */
  function paint(chart) {
    for (const axis of figure.axes) {
      const stretch = stretches.get(axis.label);
      const places = stretch === undefined ? [] : axis.words
        ? stretch.map((word) => axis.words.indexOf(word)).filter((i) => i >= 0).map((i) => [i, i])
        : [[stretch[0] ?? -Number.MAX_VALUE, stretch[1] ?? Number.MAX_VALUE]];
      chart.dispatchAction({ type: "axisAreaSelect", parallelAxisId: axis.label, intervals: places, silent: true }, { silent: true });
    }
  }

  function drawn({ parallelAxisId, intervals, silent }) {
    const axis = figure.axes.find((one) => one.label === parallelAxisId);
    if (silent || axis === undefined) return;
    if (intervals.length === 0) { set(axis.label, null); return; }
    const [low, high] = [Math.min(...intervals.map((one) => one[0])), Math.max(...intervals.map((one) => one[1]))];
    const short = (value) => Number(value.toPrecision(4));
    set(axis.label, axis.words ? axis.words.filter((_word, i) => i >= low - 0.5 && i <= high + 0.5) : [short(low), short(high)]);
    fields();
  }

  function numbers(axis, stretch) {
    return ["from", "to"].map((side, i) => {
      const field = make("input", { type: "number", step: "any", "aria-label": `${axis.label} ${side}`, placeholder: side,
        value: stretch?.[i] ?? null });
      field.addEventListener("change", () => {
        const both = [...(stretches.get(axis.label) ?? [null, null])];
        both[i] = field.value === "" ? null : Number(field.value);
        set(axis.label, both.every((one) => one === null) ? null : both);
      });
      return field;
    });
  }

  function words(axis, stretch) {
    return axis.words.map((word) => {
      const box = make("input", { type: "checkbox" });
      box.checked = stretch === undefined || stretch.includes(word);
      box.addEventListener("change", () => {
        const now = new Set(stretches.get(axis.label) ?? axis.words);
        box.checked ? now.add(word) : now.delete(word);
        set(axis.label, now.size === axis.words.length ? null : [...now]);
      });
      return make("label", {}, box, ` ${word}`);
    });
  }

  /* The same in words and numbers, for whoever has no mouse. */
  function fields() {
    if (find("stretches").contains(document.activeElement)) return;
    find("stretches").replaceChildren(...figure.axes.map((axis) => make("fieldset", {}, make("legend", {}, axis.label),
      ...(axis.words ? words : numbers)(axis, stretches.get(axis.label)))));
  }

  find("unbrush").addEventListener("click", () => {
    stretches.clear();
    keep();
    say();
    fields();
    changed();
    find("stretches").parentElement.querySelector("summary").focus();
  });
  find("brush").addEventListener("submit", (event) => event.preventDefault());

  return {
    fits,
    /* Other values are about to be drawn. */
    take(figures) {
      figure = figures.find((one) => one.kind === "parallel") ?? null;
      say();
      if (figure !== null) fields();
    },
    /* They are drawn. */
    attach() {
      const plot = document.querySelector("#figures [data-name=parallel] .plot");
      const chart = plot && echarts.getInstanceByDom(plot);
      if (!chart || figure === null) return;
      if (attached !== chart) chart.on("axisareaselected", drawn);
      attached = chart;
      paint(chart);
    },
  };
}
