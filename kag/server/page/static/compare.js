/* Runs side by side. */

import { draw, picture } from "./figures.js";
import { ask } from "./live.js";

const form = document.getElementById("add");
const drawn = document.getElementById("drawn");

form.addEventListener("submit", () => {
  const known = form.elements.runs.value.split(",").filter(Boolean);
  form.elements.runs.value = [...known, document.getElementById("other").value.trim()].filter(Boolean).join(",");
});

function paint() {
  const colours = getComputedStyle(document.documentElement).getPropertyValue("--colours").trim().split(/\s+/);
  document.querySelectorAll(".swatch rect").forEach((swatch) => {
    swatch.style.fill = colours[Number(swatch.dataset.colour) % colours.length];
  });
}

window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
paint();
if (drawn !== null) draw(document.getElementById("figures"), JSON.parse(drawn.textContent));

const differences = document.getElementById("differences");
if (differences !== null) {
  const answer = await ask(`${location.pathname}.json${location.search}`).catch(
    (error) => ({ figures: [], said: [`could not be loaded: ${error.message}`] }),
  );
  await picture(differences, answer);
  differences.dataset.state = "shown";
}
