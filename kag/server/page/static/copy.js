/* A button beside every command, which copies it. Where a browser lets no page do that, it selects the command. */

import { make } from "./cells.js";

async function copy(pre, button) {
  const text = pre.textContent.trim();
  if (navigator.clipboard === undefined) {
    getSelection().selectAllChildren(pre);
    return;
  }
  await navigator.clipboard.writeText(text);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

for (const pre of document.querySelectorAll("pre.command, pre.key")) {
  const can = navigator.clipboard !== undefined;
  const button = make("button", { type: "button", "aria-label": can ? "Copy the command" : "Select the command" },
    can ? "Copy" : "Select");
  if (pre.classList.contains("key")) button.ariaLabel = can ? "Copy the key" : "Select the key";
  button.addEventListener("click", () => copy(pre, button));
  const place = make("div", { class: "copied" });
  pre.replaceWith(place);
  place.append(pre, button);
}
