/* What tables share: how two values are ordered, how an element is made. The server writes what they show. */

/* An element whose children are text or elements; nothing here is ever read as HTML. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

export const numeric = (values) => values.filter((value) => typeof value === "number").length * 2 > values.filter(
  (value) => value !== null && value !== undefined).length;

const words = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/* Numbers before words, and what is missing last in either direction. */
export function order(a, b, sign) {
  const missing = (value) => value === null || value === undefined || value === "";
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  if (typeof a === "number" || typeof b === "number") return typeof a === "number" ? -1 : 1;
  return sign * words.compare(String(a), String(b));
}

/* Heads that sort when they are pressed. `sort` is `key` or `-key`; `pressed` is told the next one. */
export function heads(row, columns, sort, pressed) {
  const key = sort.replace(/^-/, "");
  row.replaceChildren(...columns.map((column) => {
    const kind = [column.kind ?? "", column.numeric ? "num" : ""].join(" ").trim();
    const active = column.key === key;
    const direction = sort.startsWith("-") ? "descending" : "ascending";
    const button = make("button", { type: "button", title: column.title ?? column.label }, column.label);
    const first = column.numeric ? `-${column.key}` : column.key;
    button.addEventListener("click", () => {
      pressed(active ? (sort.startsWith("-") ? column.key : `-${column.key}`) : first);
      row.querySelector("th[aria-sort] button")?.focus();
    });
    return make("th", { scope: "col", class: kind, "aria-sort": active ? direction : null }, button);
  }));
}

/* Show rows in a body: what the window shows at once, the others in the next frames. */
export function fill(body, rows) {
  const [FIRST, STEP] = [60, 1000];
  const turn = (Number(body.dataset.turn ?? 0) + 1) % 1e6;
  body.dataset.turn = turn;
  body.replaceChildren(...rows.slice(0, FIRST).map((row) => row()));
  const more = (begin) => {
    if (begin >= rows.length || Number(body.dataset.turn) !== turn) return;
    body.append(...rows.slice(begin, begin + STEP).map((row) => row()));
    requestAnimationFrame(() => more(begin + STEP));
  };
  if (rows.length > FIRST) requestAnimationFrame(() => setTimeout(() => more(FIRST), 0));
}
