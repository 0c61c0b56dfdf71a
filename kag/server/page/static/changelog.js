/* The change log: rows that fit, as one types. Older rows, which the page does not show at first, are fetched for it. */

import { localise } from "./times.js";

const find = (id) => document.getElementById(id);
const log = find("log");
let older = null;

async function fetchOlder() {
  const address = log?.dataset.everything;
  if (address === undefined) return;
  find("count").textContent = "searching older rows…";
  const answer = await fetch(address, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  log.tBodies[0].replaceWith(page.getElementById("log").tBodies[0]);
  localise(log);
  find("older").remove();
}

function show() {
  const rows = [...(log?.tBodies[0].rows ?? [])];
  const words = find("text").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const severity = find("severity").value;
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !(words.every((word) => text.includes(word))
      && (!severity || row.dataset.severities.split(" ").includes(severity)));
    shown += !row.hidden;
  }
  find("count").textContent = shown === rows.length ? `${rows.length} rows` : `${shown} of ${rows.length} rows`;
}

async function choose() {
  try {
    await (older ??= fetchOlder());
    show();
  } catch (error) {
    find("count").textContent = `older rows could not be searched: ${error.message}`;
  }
}

find("text").addEventListener("input", choose);
find("severity").addEventListener("change", choose);
