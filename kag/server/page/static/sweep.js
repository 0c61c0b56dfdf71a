/* A sweep: its pictures and trials, again while it searches. */

import { brush } from "./brush.js";
import { fill, heads, make, numeric, order } from "./cells.js";
import { draw } from "./figures.js";
import { ask, follow } from "./live.js";

const AGAIN = 3000;
/* Milliseconds until what is worked out is asked for again. */

const find = (id) => document.getElementById(id);
const table = find("trials");
const path = table.dataset.path;
let answer = JSON.parse(find("answer").textContent);
let waiting = null;
let drawing = Promise.resolve();
let sort = answer.goal === null ? "id" : answer.goal === "maximize" ? "-result" : "result";

function columns() {
  const params = answer.keys.map((key, i) => {
    const values = answer.trials.map((trial) => trial.params[i]);
    return { key: `param ${i}`, label: key.replace(/^model\./, ""), title: key, numeric: numeric(values),
      value: (trial) => trial.params[i], text: (trial) => trial.texts[i + 1] };
  });
  return [
    { key: "id", label: "Trial", kind: "name", value: (trial) => trial.id },
    { key: "state", label: "State", value: (trial) => trial.state },
    { key: "result", label: answer.metric ?? "Result", numeric: true, value: (trial) => trial.result,
      text: (trial) => trial.texts[0] },
    ...params,
    ...(answer.trials.some((trial) => trial.steps > 0)
      ? [{ key: "steps", label: "Values", numeric: true, value: (trial) => trial.steps }] : []),
    ...(answer.trials.some((trial) => trial.title !== null)
      ? [{ key: "run", label: "Name of the run", value: (trial) => trial.title }] : []),
  ];
}

const pageOf = (trial) => `${path}/runs/${encodeURIComponent(trial.run)}`;

function row(trial, shown) {
  const words = { leased: "running", free: "waiting" };
  return make("tr", {}, ...shown.map((column) => {
    if (column.key === "state") {
      return make("td", {}, make("span", { class: `state ${trial.state}` }, words[trial.state] ?? trial.state));
    }
    if (column.key === "id") {
      const link = trial.run === null ? trial.name : make("a", { href: pageOf(trial) }, trial.name);
      return make("th", { class: "name", scope: "row" }, link);
    }
    return make("td", { class: column.numeric ? "num" : null }, (column.text ?? column.value)(trial) ?? "-");
  }));
}

function show() {
  const shown = columns();
  const column = shown.find((one) => one.key === sort.replace(/^-/, "")) ?? shown[0];
  const sign = sort.startsWith("-") ? -1 : 1;
  heads(table.tHead.rows[0], shown, sort, (next) => { sort = next; show(); });
  const fits = looked.fits();
  const some = answer.trials.filter((trial) => fits === null || fits.has(trial.name));
  const trials = some.sort((a, b) => order(column.value(a), column.value(b), sign) || a.id - b.id);
  fill(table.tBodies[0], trials.map((trial) => () => row(trial, shown)));
}

/* What the best is worth takes seconds where it is not known yet: whoever asks meanwhile asks again. */
async function judge() {
  clearTimeout(waiting);
  try {
    const { worth } = await ask(`${location.pathname}/worth.json`);
    if (worth === null) { waiting = setTimeout(judge, AGAIN); return; }
    find("worth").textContent = worth.length ? `What the best is worth: ${worth.join("; ")}.` : "";
    find("worth").hidden = worth.length === 0;
  } catch (error) {
    console.info("not known:", error.message);
  }
}

/* Of the trials that are not looked at, a figure shows at most a shade. */
function narrowed(figure, fits) {
  if (figure.kind === "slice" || figure.kind === "timeline") return { ...figure, fits };
  if (figure.name !== "trials" || fits === null) return figure;
  const seen = new Set(answer.trials.filter((trial) => fits.has(trial.name)).map((trial) => trial.id));
  const lines = figure.lines.map((line) => (line.points
    ? { ...line, y: line.y.map((y, i) => (seen.has(line.x[i]) ? y : null)) } : line));
  return { ...figure, lines };
}

/* One after another: a figure that is being drawn is not drawn twice. */
function pictures() {
  drawing = drawing.then(async () => {
    const fits = looked.fits();
    for (const place of ["figures", "slices", "timeline"]) {
      const figures = (answer[place] ?? []).map((figure) => narrowed(figure, fits));
      find(place).closest("section").hidden = figures.length === 0;
      await draw(find(place), figures);
      for (const plot of find(place).querySelectorAll(".plot")) openable(plot);
    }
    looked.attach();
  });
}

/* A press on a trial opens its run. */
const pressed = new WeakSet();
function openable(plot) {
  const chart = echarts.getInstanceByDom(plot);
  if (!chart || pressed.has(chart)) return;
  pressed.add(chart);
  const inOrder = plot.closest("figure").dataset.name === "trials";
  chart.on("click", ({ name, value }) => {
    const found = answer.trials.find((trial) => (inOrder ? trial.id === value?.[0] : trial.name === name));
    if (found?.run) location.assign(pageOf(found));
  });
}

function take(value) {
  answer = value;
  find("progress").innerHTML = value.progress;
  looked.take(value.figures);
  show();
  pictures();
  judge();
}

const looked = brush(() => { show(); pictures(); });

for (const button of document.querySelectorAll("button[data-confirm]")) {
  button.addEventListener("click", (event) => { if (!confirm(button.dataset.confirm)) event.preventDefault(); });
}
show();
take(await ask(`${location.pathname}/trials.json`));
follow(() => `${location.pathname}/trials.json?seen=${answer.seen}`, take);
