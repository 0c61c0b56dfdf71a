/* Figures of a page that change: drawn once, then shown with other values. `kagCharts` draws. */

import { make } from "./cells.js";

/* Show figures of a part of the page, and in sentences what could not be drawn; without either it is not there. */
export async function picture(section, { figures, said }) {
  section.hidden = figures.length + said.length === 0;
  section.querySelector(".said").replaceChildren(...said.map((one) => make("p", { class: "muted" }, one)));
  await draw(section.querySelector(".figures"), figures);
}

const pause = () => new Promise((resolve) => requestAnimationFrame(resolve));

/* Show figures in a place, in their order; those of the same name are updated. */
export async function draw(place, figures) {
  const known = new Map([...place.children].map((element) => [element.dataset.name, element]));
  for (const figure of figures) {
    const found = known.get(figure.name);
    if (found !== undefined) found.dataset.curves = figure.lines?.length ?? "";
    if (found !== undefined) {
      kagCharts.update(found, figure);
      known.delete(figure.name);
    } else {
      const kind = ["parallel", "heatmap", "forest", "timeline"].includes(figure.kind) ? "wide" : null;
      const element = make("figure", { "data-figure": "", "data-name": figure.name, class: kind,
        "data-curves": figure.lines?.length ?? "" });
      place.append(element);
      kagCharts.draw(element, figure);
      await pause();
    }
  }
  for (const gone of known.values()) gone.remove();
  place.dataset.drawn = figures.length;
}
