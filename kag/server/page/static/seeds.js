/* Several runs as one row of the table, which unfolds: those that differ in the seed alone, or have one value of a
   setting. The server says who is in it, and the means. */

import { make } from "./cells.js";
import { clock } from "./times.js";

/* The key of a group stays when runs are added to it: its oldest run. */
export const keyOf = (group) => `group:${group.runs.at(-1)}`;

/* Rows of a table: groups, and the other runs by themselves. */
export function rows(fitting, groups) {
  const groupOf = new Map(groups.flatMap((group) => group.runs.map((id) => [id, group])));
  const membersOf = new Map(groups.map((group) => [group, []]));
  for (const run of fitting) membersOf.get(groupOf.get(run.id))?.push(run);
  const single = fitting.filter((run) => !groupOf.has(run.id)).map((run) => ({ key: run.id, run, like: run, members: [] }));
  return [...single, ...groups.filter((group) => membersOf.get(group).length).map((group) => {
    const members = membersOf.get(group);
    const newest = members.find((run) => run.id === group.runs[0]) ?? members[0];
    const like = { ...newest, name: group.name, state: group.state, started: group.started, seconds: group.seconds,
      user: group.user, values: group.cells.map((cell) => cell.value) };
    return { key: keyOf(group), group, like, members };
  })];
}

/* The row of a group. `open` says whether its runs stand below; `press` unfolds or folds it; `eye` hides its curve. */
export function folded({ group, like, members }, { columns, optional, chosen, open, press, eye }) {
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
      ...eye, sign, " ", make("span", { class: "of" }, group.name), about),
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
