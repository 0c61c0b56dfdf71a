/* A run: its curves, results and findings, again while it logs. */

import { draw } from "./figures.js";
import { ask, follow } from "./live.js";
import { localise } from "./times.js";

const find = (id) => document.getElementById(id);
const here = location.pathname;
let seen = "";

function take(answer) {
  seen = answer.seen;
  const state = find("state");
  [state.textContent, state.className] = [answer.state, `state ${answer.state}`];
  find("facts").innerHTML = answer.facts;
  find("results").innerHTML = answer.results;
  localise(find("facts"));
  find("rows").textContent = answer.rows === 1 ? "1 logged row" : `${answer.rows.toLocaleString()} logged rows`;
  const log = find("log");
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  find("console").hidden = answer.log === "";
  log.textContent = answer.log;
  if (atEnd) log.scrollTop = log.scrollHeight;
  draw(find("figures"), answer.figures).then(judge);
}

async function judge() {
  const answer = await ask(`${here}/findings.json`);
  find("findings").innerHTML = answer.findings;
  find("findings").dataset.asked = seen;
  if (answer.lineage === null) return;
  find("lineage-section").hidden = false;
  find("lineage").dataset.figure = "";
  kagCharts.update(find("lineage"), answer.lineage);
}

try {
  take(await ask(`${here}/course.json`));
} catch (error) {
  find("rows").textContent = `could not be loaded: ${error.message}`;
}
follow(() => `${here}/course.json?seen=${encodeURIComponent(seen)}`, take);
