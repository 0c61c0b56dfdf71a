"use strict";

/* What figures of every kind are drawn with: numbers as text, axes, room, and words in place of the picture.

   Names of runs are text that a stranger may have written: they are never HTML, and never a template of ECharts. */
const kagDrawing = (() => {
  const MISSING = "-";

  function number(value, digits = 4) {
    if (value === null || value === undefined || Number.isNaN(value)) return MISSING;
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e6) return String(value);
    const rounded = Number(value.toPrecision(digits));
    return size !== 0 && (size < 1e-3 || size >= 1e6) ? rounded.toExponential() : String(rounded);
  }

  /* A tick is round in the scale of its axis: more digits are noise of the machine, fewer would make neighbours alike. */
  const tick = (value) => number(value, 10);

  // Rich text of ECharts reads `{style|text}`; a space of no width after the brace keeps the text as it is.
  const plain = (text) => text.replaceAll("{", "{\u200b");

  const brief = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

  /* The end of a key of the spec tells it apart, its beginning is common to many. */
  const ending = (key, most) => (key.length > most ? `…${key.slice(1 - most)}` : key);

  const colourOf = (look, place) => look.colours[place % look.colours.length];

  const finite = (values) => values.filter((value) => value !== null);

  const lowest = (values) => values.reduce((low, value) => Math.min(low, value), Infinity);

  const highest = (values) => values.reduce((high, value) => Math.max(high, value), -Infinity);

  function base(figure, look) {
    return {
      animation: false,
      backgroundColor: "transparent",
      textStyle: { fontFamily: "system-ui, sans-serif", color: look.ink },
      aria: { enabled: true, label: { enabled: true, description: description(figure) } },
      tooltip: {
        renderMode: "richText",
        confine: true,
        backgroundColor: look.raised,
        borderColor: look.grid,
        textStyle: { color: look.ink, fontSize: 12 },
      },
    };
  }

  function axis(look, more) {
    return {
      nameLocation: "middle",
      nameTextStyle: { color: look.muted, fontSize: 12 },
      axisLine: { show: true, lineStyle: { color: look.grid } },
      axisTick: { lineStyle: { color: look.grid } },
      axisLabel: { color: look.muted, fontSize: 11, hideOverlap: true },
      splitLine: { show: true, lineStyle: { color: look.grid } },
      ...more,
    };
  }

  const valueAxis = (look, more) => {
    const found = axis(look, { type: "value", scale: true, ...more });
    return { ...found, axisLabel: { ...found.axisLabel, formatter: tick } };
  };

  const two = (part) => String(part).padStart(2, "0");

  function clock(seconds) {
    const time = new Date(1000 * seconds);
    return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}`;
  }

  /* `48 s`, `12 min`, `1.5 h`, `2.1 d`. */
  function span(seconds) {
    const [unit, length] = [["d", 86400], ["h", 3600], ["min", 60]].find(([, one]) => Math.abs(seconds) >= one) ?? ["s", 1];
    return `${number(seconds / length, 3)} ${unit}`;
  }

  /* A place of an axis as text: `time` in seconds since the epoch, `relative` in seconds, else a number. */
  const placeText = (value, kind) => (kind === "time" ? clock(value) : kind === "relative" ? span(value) : tick(value));

  const axisText = (look, kind) => ({
    axisLabel: { color: look.muted, fontSize: 11, hideOverlap: true, formatter: (value) => placeText(value, kind) },
    minInterval: kind === "epoch" || kind === "step" ? 1 : undefined,
  });

  const room = (top, bottom, right = 18) => ({
    left: 6, right, top, bottom, outerBoundsMode: "same", outerBoundsContain: "all",
  });

  /* What a screen reader says in place of the picture. */
  function description(figure) {
    if (figure.kind === "chart") {
      const told = figure.lines.map((line) => {
        const known = finite(line.y);
        return `${line.label} from ${number(known[0])} to ${number(known.at(-1))}`;
      });
      return [`${figure.title}, ${figure.y_label} by ${figure.x_label}`, ...told,
        ...figure.marks.map((mark) => `${mark.label} at ${number(mark.x)}`),
        ...figure.spans.map((span) => `${span.label} from ${number(span.start)} to ${number(span.end)}`)].join("; ");
    }
    if (figure.kind === "bars") {
      return [figure.title, ...figure.labels.map((label, i) => `${label} ${number(figure.values[i])}`)].join("; ");
    }
    if (figure.kind === "forest") {
      return [`${figure.title}, ${figure.value_label}`, ...figure.rows.map((row) => `${row.label} ${row.told}`)].join("; ");
    }
    if (figure.kind === "dots") {
      const told = figure.parts.map((part) => `${part.x.length} of ${part.label}`);
      const named = figure.parts.flatMap((part) => part.named.map(([i]) => part.told[i]));
      return [`${figure.title}, ${figure.y_label} by ${figure.x_label}, the diagonal is ${figure.diagonal}`, ...told,
        ...named].join("; ");
    }
    if (figure.kind === "heatmap") {
      const best = figure.marked;
      const told = best ? `best ${number(figure.values[best[0]][best[1]])} at ${figure.x_label} ${figure.x[best[1]]}, `
        + `${figure.y_label} ${figure.y[best[0]]}` : "";
      return `${figure.title}, ${figure.value_label} by ${figure.x_label} and ${figure.y_label}; ${told}`;
    }
    return `${figure.title}: ${figure.rows.length} lines over ${figure.axes.map((one) => one.label).join(", ")}`;
  }

  return {
    MISSING, number, tick, plain, brief, ending, colourOf, finite, lowest, highest, base, axis, valueAxis, axisText,
    placeText, room,
  };
})();
