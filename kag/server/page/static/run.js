/* A run: its curves, results and findings, again while it logs. */

import { draw, picture } from "./figures.js";
import { ask, follow } from "./live.js";
import { localise } from "./times.js";
import { ownTools } from "./toolbar.js";

const find = (id) => document.getElementById(id);
const here = location.pathname;
let seen = "";

function take(answer) {
  seen = answer.seen;
  const state = find("state");
  const ended = state.textContent !== answer.state;
  [state.textContent, state.className] = [answer.state, `state ${answer.state}`];
  find("facts").innerHTML = answer.facts;
  find("results").innerHTML = answer.results;
  localise(find("facts"));
  find("rows").textContent = answer.rows === 1 ? "1 logged row" : `${answer.rows.toLocaleString()} logged rows`;
  const log = find("tail");
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  find("console").hidden = answer.log === "";
  log.textContent = answer.log;
  if (atEnd) log.scrollTop = log.scrollHeight;
  draw(find("figures"), answer.figures).then(judge);
  if (ended && find("scores").dataset.state !== "waiting") score();
}

/* What was scored is read when somebody comes near it: it is kept in large files. */
async function score() {
  const place = find("scores");
  place.dataset.state = "asked";
  const answer = await ask(`${here}/scores.json`).catch(
    (error) => ({ own: { figures: [], said: [`could not be loaded: ${error.message}`] }, beside: { figures: [], said: [] } }),
  );
  await picture(find("own"), answer.own);
  if (find("beside") !== null) await picture(find("beside"), answer.beside);
  place.dataset.state = "shown";
}

const near = new IntersectionObserver((seen) => {
  if (!seen.some((one) => one.isIntersecting)) return;
  near.disconnect();
  score();
}, { rootMargin: "400px" });

async function judge() {
  const answer = await ask(`${here}/findings.json`);
  find("findings").innerHTML = answer.findings;
  find("findings").dataset.asked = seen;
  if (answer.lineage === null) return;
  find("lineage-section").hidden = false;
  find("lineage").dataset.figure = "";
  kagCharts.update(find("lineage"), answer.lineage);
}

ownTools();
try {
  take(await ask(`${here}/course.json`));
} catch (error) {
  find("rows").textContent = `could not be loaded: ${error.message}`;
}
near.observe(find("scores"));
follow(() => `${here}/course.json?seen=${encodeURIComponent(seen)}`, take);
