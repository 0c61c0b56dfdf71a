/* Curves of the project beside its table: of the runs that the filter leaves, or of their groups, any logged key. */

import { make } from "./cells.js";
import { choose } from "./chooser.js";
import { draw } from "./figures.js";
import { ask } from "./live.js";
import { tools } from "./toolbar.js";

const AXES = [["", "x axis: as logged"], ["epoch", "epoch"], ["step", "step"], ["time", "time"], ["relative", "relative time"]];

/* Scripts are run one after another: each needs those before it. */
async function load(addresses) {
  for (const address of addresses) {
    await new Promise((resolve, reject) => {
      const script = make("script", { src: address });
      [script.onload, script.onerror] = [resolve, reject];
      document.head.append(script);
    });
  }
}

/* The board. `path` is the address of the project, `words` are those of the page's own address, `changed` is told when
   they have changed, `total()` says how many runs there are, `hidden` holds what is not to be drawn. */
export async function board({ path, words, changed, total, hidden }) {
  const place = document.getElementById("figures");
  const said = document.getElementById("curves-said");
  if (typeof kagCharts === "undefined") await load(place.dataset.scripts.split(" "));
  let known = null;
  let turn = 0;

  const axis = make("select", { id: "axis", "aria-label": "x axis" },
    ...AXES.map(([value, label]) => make("option", { value }, label)));
  axis.value = words.get("axis") ?? "";
  const keys = make("button", { type: "button", id: "keys", "aria-haspopup": "dialog" }, "Charts");
  const keep = (name, value) => { value ? words.set(name, value) : words.delete(name); };
  axis.addEventListener("change", () => {
    keep("axis", axis.value);
    kagCharts.zoom(null);
    changed();
    refresh();
  });
  keys.addEventListener("click", async () => {
    const wanted = await choose(await ask(`${path}/curves.json?catalogue=1`), known?.keys ?? [], total(),
      { title: "Charts", find: "Find a logged key", standard: "Default charts", heads: ["Drawn", "Logged"] });
    if (wanted === null) return;
    keep("keys", wanted.join(","));
    changed();
    await refresh();
    keys.focus();
  });
  tools(document.getElementById("toolbar"), words, changed, [keys, axis]);

  function question() {
    const asked = new URLSearchParams();
    for (const name of ["q", "state", "tag", "group", "columns", "keys", "axis"]) {
      if (words.get(name)) asked.set(name, words.get(name));
    }
    return asked;
  }

  /* Ask for what is new and draw it; an answer that has been overtaken is left. */
  async function refresh() {
    const mine = (turn += 1);
    const asked = question();
    if (known !== null) asked.set("seen", known.seen);
    const answer = await ask(`${path}/curves.json?${asked}`);
    if (mine !== turn) return;
    if (answer !== null) known = answer;
    await show();
  }

  async function show() {
    if (known === null) return;
    const figures = known.charts.map((chart) => {
      const lines = chart.lines.filter((line) => !hidden.has(line.id));
      return { kind: "bundle", name: chart.key, title: chart.key, x_label: chart.x_label, y_label: chart.key, axis: "project",
        axis_kind: chart.axis, lines, notes: chart.said };
    });
    const older = known.left_out ? `Curves of the newest; ${known.left_out.toLocaleString()} older ones are left out.` : "";
    said.textContent = known.charts.length ? older : "No run that the filter leaves has logged a number.";
    said.hidden = said.textContent === "";
    await draw(place, figures);
  }

  await refresh();
  return { refresh, show };
}
