/* What of the table is not drawn among the curves: an eye beside each name, and the colour of its curve. */

import { make } from "./cells.js";

const OPEN = "M1 8s2.6-4.6 7-4.6S15 8 15 8s-2.6 4.6-7 4.6S1 8 1 8z M8 5.9a2.1 2.1 0 1 0 0 4.2 2.1 2.1 0 0 0 0-4.2z";
const SHUT = "M1 8s2.6-4.6 7-4.6S15 8 15 8s-2.6 4.6-7 4.6S1 8 1 8z M2.5 14L13.5 2";

function picture(path) {
  const made = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);
  const [svg, line] = [made("svg"), made("path")];
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/* The hidden rows, by their keys. `words` are those of the address, `changed` is told when they have changed. */
export function eyes(words, changed) {
  const hidden = new Set((words.get("hide") ?? "").split(",").filter(Boolean));

  function keep() {
    hidden.size ? words.set("hide", [...hidden].join(",")) : words.delete("hide");
    changed();
  }

  /* The eye of a row and the colour of its curve; of a row that has no curve of its own nothing. */
  function parts(key, name, colour) {
    const button = make("button", { type: "button", class: "eye", "aria-pressed": String(!hidden.has(key)),
      "aria-label": `Curve of ${name}`, title: hidden.has(key) ? "Show its curve" : "Hide its curve" },
      picture(hidden.has(key) ? SHUT : OPEN));
    button.addEventListener("click", () => {
      hidden.has(key) ? hidden.delete(key) : hidden.add(key);
      button.ariaPressed = String(!hidden.has(key));
      button.title = hidden.has(key) ? "Show its curve" : "Hide its curve";
      button.replaceChildren(picture(hidden.has(key) ? SHUT : OPEN));
      keep();
    });
    const swatch = make("span", { class: "dot", "aria-hidden": "true" });
    swatch.style.background = colourAt(colour);
    return [button, swatch];
  }

  return { hidden, parts, all: () => { hidden.clear(); keep(); } };
}

/* The colour of a place of the palette, on this screen. */
export function colourAt(place) {
  const colours = getComputedStyle(document.documentElement).getPropertyValue("--colours").trim().split(/\s+/);
  return colours[place % colours.length];
}
