/* What a run has logged beside numbers: a key is asked for when somebody comes near it, a step when its slider stands. */

import { make } from "./cells.js";
import { draw } from "./figures.js";
import { ask } from "./live.js";

const base = document.querySelector(".media").dataset.base;

/* A key with what it holds at the step of its slider. While one step is asked for, only the newest other one waits. */
class Medium {
  constructor(section) {
    this.section = section;
    this.key = `key=${section.dataset.key}`;  // as it stands in an address
    this.name = section.querySelector("h3").textContent;
    this.items = section.querySelector(".items");
    this.wanted = null;
    this.asking = false;
  }

  async begin() {
    try {
      const answer = await ask(`${base}/steps.json?${this.key}`);
      if (this.section.dataset.kind === "histogram") await this.picture(answer.figure);
      else this.slide(answer.steps);
    } catch (error) {
      this.say(`could not be loaded: ${error.message}`);
    }
  }

  say(text) {
    this.items.replaceChildren(make("p", { class: "muted" }, text));
    this.section.dataset.shown = "said";
  }

  async picture(figure) {
    if (figure === null) { this.say("These histograms cannot be drawn."); return; }
    this.items.replaceChildren();
    await draw(this.items, [figure]);
    this.section.dataset.shown = "figure";
  }

  slide(steps) {
    if (steps.length === 0) { this.say("Its rows are gone."); return; }
    const last = steps.length - 1;
    const slider = make("input", { type: "range", min: 0, max: last, step: 1, value: last, "aria-label": `Step of ${this.name}` });
    const told = make("output", { class: "muted small nowrap" });
    const show = () => {
      const place = Number(slider.value);
      const text = `step ${steps[place].toLocaleString()}`;
      told.textContent = last > 0 ? `${text} (${place + 1} of ${steps.length.toLocaleString()})` : text;
      slider.setAttribute("aria-valuetext", text);
      this.show(steps[place], 0);
    };
    slider.addEventListener("input", show);
    this.items.addEventListener("click", ({ target }) => {
      const button = target.closest("button[data-from]");
      if (button !== null) this.show(steps[Number(slider.value)], Number(button.dataset.from));
    });
    this.items.before(make("div", { class: "steps" }, ...(last > 0 ? [slider, told] : [told])));
    show();
  }

  async show(step, from) {
    this.wanted = { step, from };
    if (this.asking) return;
    this.asking = true;
    try {
      while (this.wanted !== null) {
        const asked = this.wanted;
        this.wanted = null;
        const answer = await ask(`${base}/items.json?${this.key}&step=${asked.step}&from=${asked.from}`);
        if (this.wanted !== null) continue;
        this.items.innerHTML = answer.html;
        this.section.dataset.shown = `${asked.step}/${asked.from}`;
      }
    } catch (error) {
      this.say(`could not be loaded: ${error.message}`);
    } finally {
      this.asking = false;
    }
  }
}

const near = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    new Medium(target).begin();
  }
}, { rootMargin: "300px" });

for (const section of document.querySelectorAll(".medium")) near.observe(section);
