/* Runs side by side. */

import { colourAt } from "./eyes.js";
import { draw, picture } from "./figures.js";
import { ask } from "./live.js";
import { ownTools } from "./toolbar.js";

const form = document.getElementById("add");
const drawn = document.getElementById("drawn");

form.addEventListener("submit", () => {
  const known = form.elements.runs.value.split(",").filter(Boolean);
  form.elements.runs.value = [...known, document.getElementById("other").value.trim()].filter(Boolean).join(",");
});

/* The one legend: runs beyond the palette are dotted, here and in the charts. */
function paint() {
  const count = getComputedStyle(document.documentElement).getPropertyValue("--colours").trim().split(/\s+/).length;
  document.querySelectorAll(".swatch path").forEach((swatch) => {
    const place = Number(swatch.dataset.colour);
    swatch.style.stroke = colourAt(place);
    swatch.style.strokeDasharray = place < count ? "none" : "2 2";
  });
}

/* Paired differences with their intervals in place of the plain ones. */
function test(tested) {
  for (const cell of document.querySelectorAll("#results td:has(.apart)")) {
    const text = tested[cell.closest("tr").dataset.key]?.[cell.dataset.run];
    if (text !== undefined) cell.querySelector(".apart").textContent = text;
  }
}

window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
paint();
if (drawn !== null) {
  ownTools();
  draw(document.getElementById("figures"), JSON.parse(drawn.textContent));
}

const differences = document.getElementById("differences");
if (differences !== null) {
  const answer = await ask(`${location.pathname}.json${location.search}`).catch(
    (error) => ({ figures: [], said: [`could not be loaded: ${error.message}`] }),
  );
  await picture(differences, answer);
  test(answer.tested ?? {});
  differences.dataset.state = "shown";
}
