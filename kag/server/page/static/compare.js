/* Runs side by side. */

import { draw } from "./figures.js";

const form = document.getElementById("add");
const drawn = document.getElementById("drawn");

form.addEventListener("submit", () => {
  const known = form.elements.runs.value.split(",").filter(Boolean);
  form.elements.runs.value = [...known, document.getElementById("other").value.trim()].filter(Boolean).join(",");
});

function paint() {
  const colours = getComputedStyle(document.documentElement).getPropertyValue("--colours").trim().split(/\s+/);
  document.querySelectorAll(".swatch rect").forEach((swatch, place) => {
    swatch.style.fill = colours[place % colours.length];
  });
}

window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
paint();
if (drawn !== null) draw(document.getElementById("figures"), JSON.parse(drawn.textContent));
