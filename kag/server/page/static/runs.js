/* The table of runs: sorted, filtered and kept up to date here; what it shows stands in the address. */

import { actions } from "./actions.js";
import { fill, heads, make, numeric, order } from "./cells.js";
import { choose } from "./chooser.js";
import { eyes } from "./eyes.js";
import { ask, follow } from "./live.js";
import { folded, keyOf, rows as rowsOf } from "./seeds.js";
import { clock } from "./times.js";
import { views } from "./views.js";

const find = (id) => document.getElementById(id);
const table = find("runs");
const path = table.dataset.path;
const [head, body] = [table.tHead.rows[0], table.tBodies[0]];
const address = new URLSearchParams(location.search);

const runs = new Map();
const elements = new Map();
const chosen = new Set();
const open = new Set();
let columns = [];
let groups = [];
let fits = null;
let drawn = null;
let acts = null;
let seen = "";
let total = null;
let current = [];
let sort = address.get("sort") ?? "-started";

const FIXED = {
  name: (run) => run.name, state: (run) => run.state, started: (run) => run.started, took: (run) => run.seconds,
  user: (run) => run.user, tags: (run) => run.tags.join(" "), sweep: (run) => run.sweep, note: (run) => run.note,
};

function take(answer) {
  if (answer.whole !== false) {
    runs.clear();
    elements.clear();
    columns = answer.columns;
  }
  seen = answer.seen;
  total = answer.total ?? null;
  const stale = new Map();
  const before = new Map(groups.map((group) => [keyOf(group), JSON.stringify(group)]));
  if (answer.asked === asked()) {
    groups = answer.groups;
    fits = answer.fits === null ? null : new Set(answer.fits);
    table.dataset.asked = answer.asked;
  }
  for (const key of groups.filter((group) => before.get(keyOf(group)) !== JSON.stringify(group)).map(keyOf)) {
    stale.set(key, elements.get(key));
    elements.delete(key);
  }
  for (const [id, title, name, state, started, seconds, user, tags, sweep, note, took, colour, texts, values] of answer.runs) {
    runs.set(id, { id, title, name, state, started, seconds, user, tags, sweep, note, took, texts, values, colour });
    stale.set(id, elements.get(id));
    elements.delete(id);
  }
  prepare();
  if (answer.whole === false) {
    renew(stale);
    for (const id of stale.keys()) elements.get(id)?.classList.add("fresh");
  } else {
    show();
  }
  drawn?.refresh();
  acts?.show();
}

function prepare() {
  const all = [...runs.values()];
  const any = (value) => all.some((run) => value(run));
  columns.forEach((column, i) => { column.numeric = numeric(all.map((run) => run.values[i])); });
  optional.tags = any((run) => run.tags.length);
  optional.sweep = any((run) => run.sweep);
  optional.note = any((run) => run.note);
  options(find("state"), all.map((run) => run.state), "any state");
  options(find("tag"), all.flatMap((run) => run.tags), "any tag");
  find("tag").hidden = !optional.tags;
  const example = columns.find((column) => column.numeric);
  find("text").placeholder = example ? `Filter: words, ${example.label} > 0.4` : "Filter";
}

const optional = { tags: false, sweep: false, note: false };

function options(select, values, any) {
  const wanted = select.value || (address.get(select.id) ?? "");
  const words = [...new Set(values)].sort();
  if (select.dataset.words === words.join("\n")) return;
  select.dataset.words = words.join("\n");
  select.replaceChildren(make("option", { value: "" }, any), ...words.map((one) => make("option", { value: one }, one)));
  select.value = words.includes(wanted) ? wanted : "";
}

function layout() {
  const fixed = (key, label, more) => ({ key, label, ...more });
  return [
    fixed("name", "Run", { kind: "name" }),
    fixed("state", "State"),
    ...columns.map((column) => ({ key: column.word, label: column.label, title: column.key, numeric: column.numeric })),
    fixed("started", "Started", { numeric: true }),
    fixed("took", "Took", { numeric: true }),
    fixed("user", "By"),
    ...(optional.tags ? [fixed("tags", "Tags")] : []),
    ...(optional.sweep ? [fixed("sweep", "Sweep")] : []),
    ...(optional.note ? [fixed("note", "Note")] : []),
  ];
}

function inOrder(some, runOf) {
  const key = sort.replace(/^-/, "");
  const place = columns.findIndex((column) => column.word === key);
  const value = FIXED[key] ?? ((run) => run.values[place]);
  const sign = sort.startsWith("-") ? -1 : 1;
  return some.sort((one, other) => {
    const [a, b] = [runOf(one), runOf(other)];
    return order(value(a), value(b), sign) || b.started - a.started || order(a.id, b.id, 1);
  });
}

/* What stands in the table, from above: runs, and groups of seeds with the runs of those that are unfolded. */
function lines() {
  const fitting = inOrder([...runs.values()].filter((run) => fits === null || fits.has(run.id)), (run) => run);
  if (groups.length === 0) return fitting.map((run) => ({ key: run.id, run }));
  return inOrder(rowsOf(fitting, groups), (row) => row.like).flatMap((row) => [row,
    ...(open.has(row.key) ? row.members.map((run) => ({ key: run.id, run, member: true })) : [])]);
}

function element(line) {
  const made = line.group ? folded(line, { columns, optional, chosen, open: open.has(line.key), press: () => unfold(line),
    eye: eye.parts(line.key, line.group.name, line.group.colour) }) : single(line.run, line.member);
  made.classList.toggle("member", line.member === true);
  elements.set(line.key, made);
  return made;
}

function unfold({ key }) {
  open.has(key) ? open.delete(key) : open.add(key);
  elements.delete(key);
  show();
  elements.get(key)?.querySelector(".fold")?.focus();
}

function single(run, member) {
  const box = make("input", { type: "checkbox", "aria-label": `Choose ${run.title}`, value: run.id });
  box.checked = chosen.has(run.id);
  const values = run.values.map((value, i) => make("td", { class: columns[i].numeric ? "num" : null,
    title: value }, run.texts[i] ?? value));
  const row = make("tr", { class: chosen.has(run.id) ? "chosen" : null, "data-id": run.id },
    make("th", { class: "name", scope: "row", title: run.title }, box,
      ...(member ? [] : eye.parts(run.id, run.name, run.colour)),
      make("a", { href: `${path}/runs/${encodeURIComponent(run.id)}` }, run.name)),
    make("td", {}, make("span", { class: `state ${run.state}` }, run.state)),
    ...values,
    make("td", { class: "num" }, clock(new Date(1000 * run.started))),
    make("td", { class: "num" }, run.took),
    make("td", {}, run.user));
  if (optional.tags) row.append(make("td", {}, ...run.tags.flatMap((tag) => [make("span", { class: "tag" }, tag), " "])));
  if (optional.sweep) {
    const link = run.sweep && make("a", { href: `${path}/sweeps/${encodeURIComponent(run.sweep)}` }, run.sweep);
    row.append(make("td", {}, link ?? ""));
  }
  if (optional.note) row.append(make("td", { class: "muted", title: run.note }, run.note));
  return row;
}

/* Show changed runs in place where that is enough: nobody loses the place at which they read. */
function renew(stale) {
  const now = lines();
  const same = table.dataset.layout === JSON.stringify(optional) && now.length === current.length
    && now.every((line, i) => line.key === current[i]);
  if (!same) {
    show();
    return;
  }
  const shown = new Map(now.map((line) => [line.key, line]));
  for (const [key, old] of stale) if (shown.has(key)) old?.replaceWith(element(shown.get(key)));
}

function show() {
  heads(head, layout(), sort, (next) => { sort = next; remember(); show(); });
  const now = lines();
  const key = JSON.stringify(optional);
  if (table.dataset.layout !== key) elements.clear();
  table.dataset.layout = key;
  current = now.map((line) => line.key);
  fill(body, now.map((line) => () => kept(line) ?? element(line)));
  const fitting = now.reduce((count, line) => count + (line.group ? line.group.runs.length : line.member ? 0 : 1), 0);
  const rows = now.filter((line) => !line.member).length;
  const shown = fitting === runs.size ? `${runs.size} runs` : `${fitting} of ${runs.size} runs`;
  if (total !== null) find("count").textContent = `the first ${runs.size} of ${total} runs, the others follow`;
  else find("count").textContent = rows === fitting ? shown : `${shown} in ${rows} rows`;
  find("none").hidden = now.length > 0;
}

/* The element of a line that is there already; a run that has come into a group or out of it looks the same but there. */
function kept(line) {
  const found = elements.get(line.key);
  found?.classList.toggle("member", line.member === true);
  return found;
}

function remember() {
  const words = { q: find("text").value, state: find("state").value, tag: find("tag").value,
    sort: sort === "-started" ? "" : sort, group: find("group").value };
  for (const [name, value] of Object.entries(words)) value ? address.set(name, value) : address.delete(name);
  write();
}

function write() {
  const text = address.toString();
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
}

/* The filter and the grouping as the server repeats them: an answer to other words has been overtaken. */
const asked = () => ["q", "state", "tag", "group"].map((name) => address.get(name) ?? "").join("\n");

function pick(box) {
  const row = box.closest("tr");
  const group = groups.find((one) => keyOf(one) === row.dataset.group);
  for (const id of group?.runs ?? [row.dataset.id]) box.checked ? chosen.add(id) : chosen.delete(id);
  acts.alone();
  mark();
  acts.show();
}

/* A group is chosen where all its runs are. */
function mark() {
  const inGroup = new Map(groups.map((group) => [keyOf(group), group.runs]));
  for (const row of elements.values()) {
    const is = (inGroup.get(row.dataset.group) ?? [row.dataset.id]).every((id) => chosen.has(id));
    row.querySelector("input").checked = is;
    row.classList.toggle("chosen", is);
  }
}

const question = (more) => {
  const words = new URLSearchParams(more);
  for (const name of ["columns", "q", "state", "tag", "group"]) if (address.get(name)) words.set(name, address.get(name));
  return `${path}/runs.json?${words}`;
};

body.addEventListener("change", (event) => pick(event.target));
find("bar").addEventListener("submit", (event) => event.preventDefault());
const PAUSE = 60;
/* Milliseconds without a key until the server is asked what fits. */

let waiting = 0;
function narrow() {
  remember();
  clearTimeout(waiting);
  waiting = setTimeout(async () => take(await ask(question({ seen, anew: 1 }))), PAUSE);
}
find("text").addEventListener("input", narrow);
for (const id of ["state", "tag", "group"]) find(id).addEventListener("change", narrow);
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) return;
  event.preventDefault();
  find("text").focus();
});
find("columns").addEventListener("click", async () => {
  const wanted = await choose(await ask(`${path}/runs.json?catalogue=1`), columns.map((column) => column.word), runs.size);
  if (wanted === null) return;
  wanted.length ? address.set("columns", wanted.join(",")) : address.delete("columns");
  remember();
  take(await ask(question({})));
});

const eye = eyes(address, () => {
  write();
  find("unhide").hidden = eye.hidden.size === 0;
  drawn?.show();
});
find("unhide").hidden = eye.hidden.size === 0;
find("unhide").addEventListener("click", () => {
  eye.all();
  elements.clear();
  show();
});
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { elements.clear(); show(); });

find("text").value = address.get("q") ?? "";
if (address.get("seeds") === "apart") address.set("group", "none");
address.delete("seeds");
find("group").value = address.get("group") ?? "";
take(JSON.parse(find("table").textContent));
acts = actions({ path, words: address, chosen, mark, tags: () => [...new Set([...runs.values()].flatMap((run) => run.tags))],
  fitting: () => [...runs.keys()].filter((id) => fits === null || fits.has(id)) });
acts.show();
drawn = views({ table, words: address, write, rowOf: (key) => elements.get(key), path, total: () => runs.size,
  hidden: eye.hidden });
follow(() => question({ seen }), take);
