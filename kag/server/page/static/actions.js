/* What is done with the runs that are chosen. All that the filter leaves are chosen by the filter, which the server
   applies itself; others by their ids. */

import { make } from "./cells.js";

const MOST_COMPARED = 200;
/* Runs of which a comparison can be asked for in an address. */
const FILTER = ["columns", "q", "state", "tag", "group"];
const find = (id) => document.getElementById(id);
const runs = (count) => `${count.toLocaleString("en")} run${count === 1 ? "" : "s"}`;
const DONE = {
  tag: (tag) => `tagged “${tag}”`, untag: (tag) => `no longer tagged “${tag}”`, archive: () => "archived",
  unarchive: () => "taken back", delete: () => "deleted", restore: () => "restored",
};

/* `chosen` is the set of ids, `fitting()` gives those that the filter leaves, `tags()` those that are in use, `mark()`
   shows in the table what is chosen, and `words` are those of the address. */
export function actions({ path, words, chosen, fitting, tags, mark }) {
  const form = find("actions");
  const said = find("actions-said");
  let every = null;
  /* The filter by which all were chosen, or null. */

  const filter = () => {
    const asked = new URLSearchParams();
    for (const name of FILTER) if (words.get(name)) asked.set(name, words.get(name));
    return asked.toString();
  };

  function show() {
    if (every !== null && every !== filter()) choose([]);
    const fit = fitting();
    if (every !== null) for (const id of fit) chosen.add(id);
    const link = find("compare");
    form.hidden = find("clear").hidden = chosen.size === 0;
    link.hidden = chosen.size === 0 || chosen.size > MOST_COMPARED;
    link.textContent = chosen.size === 1 ? "Compare 1 with…" : `Compare ${chosen.size}`;
    link.href = link.hidden ? "#" : `${path}/compare?runs=${[...chosen].map(encodeURIComponent).join(",")}`;
    find("chosen-count").textContent = `${runs(chosen.size)} chosen`;
    find("every").hidden = every !== null || fit.length <= chosen.size;
    find("every").textContent = `Choose all ${runs(fit.length)} that fit`;
    find("csv").href = `${path}/runs.csv?${filter()}`;
    const back = form.querySelector("[value=unarchive]");
    if (back !== null) back.hidden = words.get("tag") !== "archived";
    find("known-tags")?.replaceChildren(...tags().map((value) => make("option", { value })));
  }

  function choose(ids, by = null) {
    every = by;
    chosen.clear();
    for (const id of ids) chosen.add(id);
    mark();
  }

  async function post(place, fields) {
    const answer = await fetch(`${path}/${place}`, {
      method: "POST", credentials: "same-origin", headers: { Accept: "application/json" },
      body: new URLSearchParams({ csrf: form.elements.csrf.value, ...fields }),
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
    return told;
  }

  function tell(what, told) {
    const parts = [make("p", {}, `${runs(told.done)} ${what}${told.same ? `, ${told.same} already` : ""}`)];
    if (told.at) {
      const undo = make("button", { type: "button" }, "Undo");
      undo.addEventListener("click", () => attempt(() => post("deleted", { at: told.at }), DONE.restore()));
      parts[0].append(" ", undo);
    }
    if (told.undone.length) {
      const more = told.more ? [make("li", {}, `and ${runs(told.more)} more`)] : [];
      parts.push(make("p", {}, `${runs(told.undone.length + told.more)} left as they were:`), make("ul", {},
        ...told.undone.map(({ run, why }) => make("li", {}, make("strong", {}, run), `: ${why}`)), ...more));
    }
    const away = make("button", { type: "button", class: "quiet", "aria-label": "Close this message" }, "Close");
    away.addEventListener("click", () => said.replaceChildren());
    parts[0].append(" ", away);
    said.replaceChildren(...parts);
  }

  async function attempt(work, what) {
    form.inert = true;
    try {
      tell(what, await work());
      return true;
    } catch (error) {
      said.replaceChildren(make("p", { class: "wrong" }, error.message));
      return false;
    } finally {
      form.inert = false;
    }
  }

  async function sure() {
    const dialog = find("sure");
    find("sure-title").textContent = `Delete ${runs(chosen.size)}?`;
    dialog.returnValue = "";
    dialog.showModal();
    await new Promise((resolve) => { dialog.addEventListener("close", resolve, { once: true }); });
    return dialog.returnValue === "delete";
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const todo = event.submitter.value;
    const tag = find("tag-word").value.trim();
    if (["tag", "untag"].includes(todo) && tag === "") {
      find("tag-word").focus();
      return;
    }
    if (todo === "delete" && !await sure()) return;
    const which = every === null ? { runs: [...chosen].join("\n") } : { all: "1", count: String(chosen.size) };
    const place = every ? `actions?${every}` : "actions";
    if (await attempt(() => post(place, { do: todo, tag, ...which }), DONE[todo](tag))) {
      choose([]);
      show();
    }
  });
  const all = () => {
    choose(fitting(), filter());
    show();
    find("more").open = false;
    form.querySelector("input:not([type=hidden]), button:not([hidden])")?.focus();
  };
  find("every").addEventListener("click", all);
  find("choose-all").addEventListener("click", all);
  find("clear").addEventListener("click", () => { choose([]); show(); });
  find("save-view")?.addEventListener("submit", () => { find("view-words").value = words.toString(); });
  for (const menu of document.querySelectorAll("details.menu")) {
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
    document.addEventListener("pointerdown", ({ target }) => { if (!menu.contains(target)) menu.open = false; });
  }
  return { show, alone: () => { every = null; } };
}
