/* Figures of a page that change: drawn once, then shown with other values. `kagCharts` draws. */

import { make } from "./cells.js";

/* Show figures of a part of the page, and in sentences what could not be drawn; without either it is not there. */
export async function picture(section, { figures, said }) {
  section.hidden = figures.length + said.length === 0;
  section.querySelector(".said").replaceChildren(...said.map((one) => make("p", { class: "muted" }, one)));
  await draw(section.querySelector(".figures"), figures);
}

const pause = () => new Promise((resolve) => requestAnimationFrame(resolve));

/* Show figures in a place, in their order; those of the same name are updated. Where others are wanted before all are
   drawn, those are shown. */
export async function draw(place, figures) {
  const known = new Map([...place.children].map((element) => [element.dataset.name, element]));
  const shown = figures.map((figure) => known.get(figure.name) ?? framed(place, figure));
  for (const element of known.values()) if (!shown.includes(element)) element.remove();
  const turn = String(Number(place.dataset.turn ?? 0) + 1);
  place.dataset.turn = turn;
  for (const [i, figure] of figures.entries()) {
    shown[i].dataset.curves = figure.lines?.length ?? "";
    kagCharts.update(shown[i], figure);
    if (!known.has(figure.name)) await pause();
    if (place.dataset.turn !== turn) return;
  }
  place.dataset.drawn = figures.length;
}

function framed(place, figure) {
  const kind = ["parallel", "heatmap", "forest", "timeline"].includes(figure.kind) ? "wide" : null;
  const element = make("figure", { "data-figure": "", "data-name": figure.name, class: kind });
  place.append(element);
  kagCharts.frame(element, figure);
  return element;
}
