"use strict";

/* Figures of a sweep that a page alone has, as ECharts options: a slice, and which agent ran what when.

   A figure may have `fits`, the names of the trials that are looked at; the others are faint. */
(() => {
  const { plain, brief, lowest, highest, base, axis, valueAxis, axisText, placeText, room } = kagDrawing;
  const FAINT = 0.1;
  const STATES = {
    finished: { symbol: "circle", colour: 0, word: "finished" },
    leased: { symbol: "emptyCircle", colour: 2, word: "running" },
    free: { symbol: "emptyCircle", colour: 5, word: "waiting" },
    stopped: { symbol: "diamond", colour: 1, word: "stopped" },
    failed: { symbol: "triangle", colour: 3, word: "failed" },
    canceled: { symbol: "rect", colour: 4, word: "canceled" },
  };

  const opacity = (figure, label, clear) => (figure.fits && !figure.fits.has(label) ? FAINT : clear);

  /* What all figures have, with the words that a screen reader says in place of this one. */
  function common(figure, look, told) {
    const found = base({ ...figure, kind: "chart", lines: [], marks: [], spans: [] }, look);
    found.aria.label.description = told;
    return found;
  }

  const legend = (look, named, icon) => ({
    show: named.length > 1, top: 0, left: 0, textStyle: { color: look.ink, fontSize: 12 }, selectedMode: false,
    data: named.map((state) => ({ name: STATES[state].word, icon: icon ?? STATES[state].symbol })),
  });

  const statesOf = (items) => Object.keys(STATES).filter((state) => items.some((one) => one.state === state));

  function slice(figure, look) {
    const known = statesOf(figure.trials);
    const { axis_x: x } = figure;
    const found = common(figure, look, `${figure.title} against ${figure.y_label}, ${figure.trials.length} trials`);
    const scale = x.words
      ? axis(look, { type: "category", data: x.words, splitLine: { show: false }, axisLabel: { color: look.muted,
        fontSize: 11, hideOverlap: true, formatter: (word) => brief(word, 14) } })
      : valueAxis(look, { type: x.logarithmic ? "log" : "value", splitNumber: 4, splitLine: { show: false },
        minInterval: figure.trials.every((one) => Number.isInteger(one.x)) ? 1 : undefined });
    return {
      ...found,
      legend: legend(look, known),
      grid: room(known.length > 1 ? 34 : 10, 6, 24),
      xAxis: scale,
      yAxis: valueAxis(look, { name: figure.y_label, nameGap: 40, axisLine: { show: false }, splitNumber: 4 }),
      tooltip: { ...found.tooltip, trigger: "item",
        formatter: ({ data }) => `${plain(data.name)}, ${data.word}\n${plain(data.told)}` },
      series: known.map((state) => ({
        type: "scatter",
        name: STATES[state].word,
        symbol: STATES[state].symbol,
        symbolSize: 9,
        itemStyle: { color: look.colours[STATES[state].colour % look.colours.length] },
        emphasis: { scale: 1.4 },
        data: figure.trials.filter((one) => one.state === state).map((one) => ({
          name: one.label, value: [one.x, one.y], word: STATES[state].word, told: one.told,
          itemStyle: { opacity: opacity(figure, one.label, 0.8) },
        })),
      })),
    };
  }

  const HALF = 7;

  /* A thin line where an agent was there, a bar for each attempt: what is left of the line, it idled. */
  function timeline(figure, look) {
    const known = statesOf(figure.stints);
    const told = `${figure.title}: ${figure.agents.length} agents, ${figure.stints.length} attempts; ${figure.notes.join("; ")}`;
    const found = common(figure, look, told);
    const ends = figure.there.flat().concat(figure.stints.flatMap((one) => [one.start, one.end]));
    const bar = (stint) => (params, api) => {
      const [[left, y], [right]] = [api.coord([stint.start, stint.row]), api.coord([stint.end, stint.row])];
      const shape = echarts.graphic.clipRectByRect({ x: left, y: y - HALF, width: Math.max(2, right - left - 1), height: 2 * HALF },
        params.coordSys);
      return shape && { type: "rect", shape: { ...shape, r: 2 }, style: {
        fill: look.colours[STATES[stint.state].colour % look.colours.length], opacity: opacity(figure, stint.label, 0.9) } };
    };
    const presence = (row) => (_params, api) => {
      const [[x1, y1], [x2]] = figure.there[row].map((time) => api.coord([time, row]));
      return { type: "line", silent: true, shape: { x1, y1, x2, y2: y1 }, style: { stroke: look.muted, lineWidth: 1.5 } };
    };
    return {
      ...found,
      legend: legend(look, known, "roundRect"),
      grid: room(known.length > 1 ? 34 : 10, 6, 24),
      xAxis: { ...valueAxis(look, { min: lowest(ends), max: highest(ends) + 1, splitLine: { show: false }, splitNumber: 4 }),
        ...axisText(look, "time") },
      yAxis: axis(look, { type: "category", inverse: true, data: figure.agents, splitLine: { show: false },
        axisTick: { show: false }, axisLabel: { color: look.ink, fontSize: 12, interval: 0,
          formatter: (one) => brief(one, Math.max(10, Math.floor(look.width / 30))) } }),
      tooltip: { ...found.tooltip, trigger: "item",
        formatter: ({ data }) => `${plain(data.name)}, ${data.word}\n${plain(data.told)}\n${data.when}` },
      series: [
        { type: "custom", silent: true, tooltip: { show: false }, encode: { x: [0, 1], y: 2 },
          data: figure.there.map(([start, end], row) => [start, end, row]),
          renderItem: (params, api) => presence(params.dataIndex)(params, api) },
        ...known.map((state) => {
          const own = figure.stints.filter((one) => one.state === state);
          return { type: "custom", name: STATES[state].word, encode: { x: [0, 1], y: 2 },
            itemStyle: { color: look.colours[STATES[state].colour % look.colours.length] },
            data: own.map((one) => ({ name: one.label, value: [one.start, one.end, one.row], word: STATES[state].word,
              told: one.told, when: `from ${placeText(one.start, "time")} to ${placeText(one.end, "time")}` })),
            renderItem: (params, api) => bar(own[params.dataIndex])(params, api) };
        }),
      ],
    };
  }

  Object.assign(kagOptions, { slice, timeline });
})();
