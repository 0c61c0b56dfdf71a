/* Runs side by side. */

import { choose } from "./chooser.js";
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

const ROWS = { title: "Rows", find: "Find a result or a setting", standard: "Results, and settings that differ",
  heads: ["Shown", "Results and last values", "Settings"] };

/* Rows that no last value and no setting is called by, such as the lowest loss, can be chosen, too. */
async function chooseRows() {
  const { standard, shown } = JSON.parse(document.getElementById("rows").textContent);
  const total = form.elements.runs.value.split(",").length;
  const words = new URLSearchParams(location.search);
  const found = await ask(`${location.pathname}.json?${new URLSearchParams({ runs: words.get("runs"), catalogue: 1 })}`);
  const known = new Set(found.map((one) => one.word));
  const own = [...new Set([...standard, ...shown])].filter((word) => !known.has(word)).map((word) => {
    const [kind] = word.split(":", 1);
    return { word, kind, key: word.slice(kind.length + 1), runs: total };
  });
  const wanted = await choose([...own, ...found], shown, total, ROWS);
  if (wanted === null) return;
  wanted.length ? words.set("keys", wanted.join(",")) : words.delete("keys");
  location.search = words;
}

document.getElementById("keys")?.addEventListener("click", chooseRows);
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
