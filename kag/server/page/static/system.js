/* What the machine did while a run was under way. */

import { draw } from "./figures.js";
import { ask, follow } from "./live.js";

const said = document.getElementById("said");
const address = location.pathname.replace(/\/system$/, "/system.json");
let seen = "";

function take(answer) {
  seen = answer.seen;
  said.hidden = answer.figures.length > 0;
  said.textContent = "Nothing was measured.";
  draw(document.getElementById("figures"), answer.figures);
}

try {
  take(await ask(address));
} catch (error) {
  said.textContent = `could not be loaded: ${error.message}`;
}
follow(() => `${address}?seen=${encodeURIComponent(seen)}`, take);
