/* The table, the curves, or both: one switch, kept in the address. What is pointed at in one is told in the other. */

/* `table` is the table, `words` are those of the address, `write` keeps them, `rowOf(key)` gives a row that is shown, and
   the rest is what the board asks for. */
export function views({ table, words, write, rowOf, ...wants }) {
  const buttons = [...document.querySelectorAll("#views button")];
  let drawn = null;
  let stale = false;

  const isDrawn = () => document.body.dataset.view !== "table";

  async function see(name) {
    document.body.dataset.view = name;
    for (const button of buttons) button.ariaPressed = String(button.value === name);
    name === "table" ? words.delete("view") : words.set("view", name);
    write();
    if (name === "table") return;
    if (drawn === null) {
      drawn = import(table.dataset.board).then(({ board }) => board({ words, changed: write, ...wants }));
    } else if (stale) {
      await refresh();
    }
  }

  /* Other runs fit, or some have logged: what nobody looks at is asked for when somebody does. */
  async function refresh() {
    stale = !isDrawn();
    if (drawn !== null && !stale) await (await drawn).refresh();
  }

  async function show() {
    if (drawn !== null) await (await drawn).show();
  }

  function point({ target }) {
    const row = target.closest("tr")?.dataset;
    if (drawn !== null && typeof kagCharts !== "undefined") kagCharts.point(row?.group ?? row?.id ?? null);
  }

  for (const button of buttons) button.addEventListener("click", () => see(button.value));
  for (const event of ["pointerover", "focusin"]) table.tBodies[0].addEventListener(event, point);
  document.addEventListener("kag:near", ({ detail }) => {
    table.querySelector("tr.near")?.classList.remove("near");
    if (detail.id !== null) rowOf(detail.id)?.classList.add("near");
  });
  see(["curves", "both"].includes(words.get("view")) ? words.get("view") : "table");
  return { refresh, show };
}
