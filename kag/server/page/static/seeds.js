/* Runs that differ in the seed alone as one row of the table, which unfolds. The server says who is in it, and the means. */

import { make } from "./cells.js";
import { clock } from "./times.js";

/* The key of a group stays when seeds are added to it: its oldest run. */
export const keyOf = (group) => `seeds:${group.runs.at(-1)}`;

/* Rows of a table: groups whose runs all fit, and the other runs by themselves. */
export function rows(fitting, groups) {
  const fits = new Map(fitting.map((run) => [run.id, run]));
  const whole = groups.filter((group) => group.runs.every((id) => fits.has(id)));
  const inside = new Set(whole.flatMap((group) => group.runs));
  const single = fitting.filter((run) => !inside.has(run.id)).map((run) => ({ key: run.id, run, like: run, members: [] }));
  return [...single, ...whole.map((group) => {
    const members = fitting.filter((run) => group.runs.includes(run.id));
    const newest = fits.get(group.runs[0]);
    const like = { ...newest, name: group.name, state: group.state, started: group.started, seconds: group.seconds,
      user: group.user, values: group.cells.map((cell) => cell.value) };
    return { key: keyOf(group), group, like, members };
  })];
}

/* The row of a group. `open` says whether its runs stand below; `press` unfolds or folds it. */
export function folded({ group, like, members }, { columns, optional, chosen, open, press }) {
  const every = group.runs.every((id) => chosen.has(id));
  const box = make("input", { type: "checkbox", "aria-label": `Choose the ${group.runs.length} runs of ${group.name}` });
  box.checked = every;
  const sign = make("button", { type: "button", class: "fold", "aria-expanded": String(open),
    "aria-label": `${group.count} of ${group.name}`, title: `${open ? "Fold" : "Show"} its runs` },
    make("span", { class: "count" }, group.count));
  sign.addEventListener("click", press);
  const cells = group.cells.map((cell, i) => make("td", { class: columns[i].numeric ? "num" : null,
    title: cell.title || cell.text }, cell.text));
  const about = group.without ? make("span", { class: "muted small" }, ` ${group.without}`) : "";
  const row = make("tr", { class: every ? "group chosen" : "group", "data-group": keyOf(group) },
    make("th", { class: "name", scope: "row", title: members.map((run) => run.title).join("\n") }, box,
      sign, " ", make("span", { class: "of" }, group.name), about),
    make("td", {}, make("span", { class: `state ${group.state}` }, group.state)),
    ...cells,
    make("td", { class: "num" }, clock(new Date(1000 * group.started))),
    make("td", { class: "num", title: "of all its runs together" }, group.took),
    make("td", {}, group.user));
  for (const name of ["tags", "sweep", "note"]) {
    if (!optional[name]) continue;
    const all = new Set(members.map((run) => String(run[name] ?? "")));
    row.append(make("td", { class: "muted" }, all.size === 1 ? String(like[name] ?? "") : ""));
  }
  return row;
}
