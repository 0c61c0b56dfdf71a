/* The dialog in which columns of the table, or charts, are chosen. */

import { make } from "./cells.js";

const COLUMNS = { title: "Columns", find: "Find a setting or a result", standard: "Default columns",
  heads: ["Shown", "Results", "Settings"] };

/* Ask which of the columns to show; an empty list means the default ones, null that nothing changes. */
export function choose(catalogue, shown, total, words = COLUMNS) {
  const dialog = document.getElementById("chooser");
  document.getElementById("chooser-title").textContent = words.title;
  document.getElementById("standard").textContent = words.standard;
  const wanted = document.getElementById("wanted");
  const boxes = catalogue.map((column) => {
    const box = make("input", { type: "checkbox", value: column.word });
    box.checked = shown.includes(column.word);
    const share = column.runs === total ? [] : [make("span", { class: "muted small" }, `${column.runs} run${column.runs === 1 ? "" : "s"}`)];
    return { column, box, label: make("label", {}, box, make("span", {}, column.key), ...share) };
  });
  const narrow = () => {
    const text = wanted.value.toLowerCase();
    for (const { column, label } of boxes) label.hidden = !column.key.toLowerCase().includes(text);
  };
  const group = (title, fits) => {
    const labels = boxes.filter(({ column }) => fits(column)).map(({ label }) => label);
    return labels.length ? [make("h3", {}, title), ...labels] : [];
  };
  const others = (kind) => (column) => column.kind === kind && !shown.includes(column.word);
  document.getElementById("choices").replaceChildren(
    ...group(words.heads[0], (column) => shown.includes(column.word)),
    ...group(words.heads[1], others("summary")), ...group(words.heads[2], others("config")));
  wanted.placeholder = words.find;
  wanted.value = "";
  wanted.oninput = narrow;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => {
      const marked = boxes.filter(({ box }) => box.checked).map(({ column }) => column.word);
      const kept = shown.filter((word) => marked.includes(word));
      const order = [...kept, ...marked.filter((word) => !kept.includes(word))];
      resolve({ apply: order, default: [] }[dialog.returnValue] ?? null);
    };
  });
}
