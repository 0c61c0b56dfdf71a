/* Figures of a page that change: drawn once, then shown with other values. `kagCharts` draws. */

import { make } from "./cells.js";

const pause = () => new Promise((resolve) => requestAnimationFrame(resolve));

/* Show figures in a place, in their order; those of the same name are updated. */
export async function draw(place, figures) {
  const known = new Map([...place.children].map((element) => [element.dataset.name, element]));
  for (const figure of figures) {
    const found = known.get(figure.name);
    if (found !== undefined) {
      kagCharts.update(found, figure);
      known.delete(figure.name);
    } else {
      const kind = ["parallel", "heatmap"].includes(figure.kind) ? "wide" : null;
      const element = make("figure", { "data-figure": "", "data-name": figure.name, class: kind });
      place.append(element);
      kagCharts.draw(element, figure);
      await pause();
    }
  }
  for (const gone of known.values()) gone.remove();
  place.dataset.drawn = figures.length;
}
