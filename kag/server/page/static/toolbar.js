/* What stands above curves: smoothing, a logarithmic axis, the stretch that is shown. All of it is kept in the address. */

import { make } from "./cells.js";

const WAYS = [["in", "+", "Zoom in"], ["out", "−", "Zoom out"], ["back", "◂", "Earlier"], ["on", "▸", "Later"]];

/* The tools of a page whose address is theirs alone to write. */
export function ownTools() {
  const words = new URLSearchParams(location.search);
  tools(document.getElementById("toolbar"), words, () => {
    const text = words.toString().replaceAll("%2C", ",");
    history.replaceState(null, "", `${text ? `?${text}` : location.pathname}${location.hash}`);
  });
}

/* Fill a place with the tools. `words` are those of the address, `changed` is told when they have changed, and `more`
   are elements that stand before. */
export function tools(place, words, changed, more = []) {
  const weight = Math.min(0.99, Math.max(0, Number(words.get("smooth")) || 0));
  const slider = make("input", { type: "range", id: "smooth", min: 0, max: 0.99, step: 0.01, value: weight });
  const told = make("output", { for: "smooth", class: "muted small" });
  const log = make("button", { type: "button", id: "log-y", "aria-pressed": String(words.get("log") === "1") }, "Log y");
  const reset = make("button", { type: "button", id: "reset", hidden: true }, "Reset zoom");
  const steps = WAYS.map(([way, sign, label]) => {
    const button = make("button", { type: "button", class: "step", "data-way": way, "aria-label": label, title: label }, sign);
    button.addEventListener("click", () => kagCharts.move(way));
    return button;
  });
  place.replaceChildren(...more, make("label", { class: "smooth" }, "Smoothing ", slider), told, log,
    make("span", { class: "steps", role: "group", "aria-label": "Zoom" }, ...steps), reset);

  const keep = (name, value) => {
    value ? words.set(name, value) : words.delete(name);
    changed();
  };
  const show = () => {
    told.textContent = Number(slider.value) ? Number(slider.value).toFixed(2) : "off";
    kagCharts.view({ smooth: Number(slider.value), log: log.ariaPressed === "true" });
  };
  slider.addEventListener("input", () => { keep("smooth", Number(slider.value) ? slider.value : ""); show(); });
  log.addEventListener("click", () => {
    log.ariaPressed = String(log.ariaPressed !== "true");
    keep("log", log.ariaPressed === "true" ? "1" : "");
    show();
  });
  reset.addEventListener("click", () => { kagCharts.zoom(null); steps[0].focus(); });
  document.addEventListener("kag:zoom", ({ detail }) => {
    reset.hidden = detail === null;
    for (const button of steps.slice(1)) button.disabled = detail === null;
    keep("zoom", detail === null ? "" : `${Number(detail.from.toPrecision(10))}~${Number(detail.to.toPrecision(10))}`);
  });
  const ends = /^(-?[\d.e+-]+)~(-?[\d.e+-]+)$/.exec(words.get("zoom") ?? "")?.slice(1).map(Number);
  const fits = ends !== undefined && ends.every(Number.isFinite) && ends[0] < ends[1];
  show();
  kagCharts.zoom(fits ? { from: ends[0], to: ends[1] } : null);
}
