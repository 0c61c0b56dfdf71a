/* A sweep: its pictures and trials, again while it searches. */

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
let sort = answer.goal === null ? "id" : answer.goal === "maximize" ? "-result" : "result";

function columns() {
  const params = answer.keys.map((key, i) => {
    const values = answer.trials.map((trial) => trial.params[i]);
    return { key: `param ${i}`, label: key.replace(/^model\./, ""), title: key, numeric: numeric(values),
      value: (trial) => trial.params[i], text: (trial) => trial.texts[i + 1] };
  });
  return [
    { key: "id", label: "Trial", numeric: true, value: (trial) => trial.id },
    { key: "state", label: "State", value: (trial) => trial.state },
    { key: "result", label: answer.metric ?? "Result", numeric: true, value: (trial) => trial.result,
      text: (trial) => trial.texts[0] },
    ...params,
    ...(answer.trials.some((trial) => trial.steps > 0)
      ? [{ key: "steps", label: "Values", numeric: true, value: (trial) => trial.steps }] : []),
    { key: "run", label: "Run", value: (trial) => trial.title },
  ];
}

function row(trial, shown) {
  const words = { leased: "running", free: "waiting" };
  return make("tr", {}, ...shown.map((column) => {
    if (column.key === "state") {
      return make("td", {}, make("span", { class: `state ${trial.state}` }, words[trial.state] ?? trial.state));
    }
    if (column.key === "run") {
      const link = trial.run === null ? "-"
        : make("a", { href: `${path}/runs/${encodeURIComponent(trial.run)}` }, trial.title);
      return make("td", {}, link);
    }
    return make("td", { class: column.numeric ? "num" : null }, (column.text ?? column.value)(trial));
  }));
}

function show() {
  const shown = columns();
  const column = shown.find((one) => one.key === sort.replace(/^-/, "")) ?? shown[0];
  const sign = sort.startsWith("-") ? -1 : 1;
  heads(table.tHead.rows[0], shown, sort, (next) => { sort = next; show(); });
  const trials = [...answer.trials].sort((a, b) => order(column.value(a), column.value(b), sign) || a.id - b.id);
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

function take(value) {
  answer = value;
  find("progress").innerHTML = value.progress;
  show();
  draw(find("figures"), value.figures);
  judge();
}

for (const button of document.querySelectorAll("button[data-confirm]")) {
  button.addEventListener("click", (event) => { if (!confirm(button.dataset.confirm)) event.preventDefault(); });
}
show();
take(await ask(`${location.pathname}/trials.json`));
follow(() => `${location.pathname}/trials.json?seen=${answer.seen}`, take);
