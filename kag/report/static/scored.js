"use strict";

/* Forest plots and dots on a diagonal as ECharts options. `look` holds the colours and the width of the place. */
const kagScored = (() => {
  const { number, plain, brief, ending, colourOf, finite, lowest, highest } = kagDrawing;
  const { base, axis, valueAxis, room } = kagDrawing;
  const [NARROW, LETTER] = [520, 6.6];

  /* A line a difference: a full dot where its interval leaves zero out, a hollow one where it does not. */
  function forest(figure, look) {
    const found = base(figure, look);
    const rows = figure.rows;
    const bounds = finite([0, ...rows.flatMap((row) => [row.value, row.low, row.high])]);
    const pad = 0.06 * (highest(bounds) - lowest(bounds) || 1);
    const most = Math.max(22, Math.floor(look.width / 20));
    const names = (data, more) => axis(look, {
      type: "category", inverse: true, data, splitLine: { show: false }, axisTick: { show: false },
      axisLine: { show: false }, ...more,
    });
    const colour = (row) => (row.apart ? look.colours[0] : look.muted);
    const whisker = (api, row, y) => {
      const ends = [row.low, row.high].map((value) => api.coord([value, y]));
      const stroke = { stroke: colour(row), lineWidth: row.apart ? 2 : 1.5 };
      const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: stroke });
      return [line(...ends[0], ...ends[1]), ...ends.map(([x, at]) => line(x, at - 4, x, at + 4))];
    };
    return {
      ...found,
      grid: room(6, 6, 12),
      xAxis: valueAxis(look, { name: figure.value_label, nameGap: 24, splitNumber: 3, splitLine: { show: false },
        min: lowest(bounds) - pad, max: highest(bounds) + pad, axisLabel: { color: look.muted, fontSize: 11, hideOverlap: true, showMinLabel: false, showMaxLabel: false } }),
      yAxis: [
        names(rows.map((row) => row.label), { axisLabel: { color: look.ink, fontSize: 12, interval: 0,
          formatter: (label) => brief(label, most) } }),
        names(rows.map((row) => row.told), { position: "right", axisLabel: { show: look.width >= NARROW, interval: 0,
          color: look.muted, fontSize: 11 } }),
      ],
      tooltip: {
        ...found.tooltip, formatter: ({ dataIndex }) => `${plain(rows[dataIndex].label)}\n${plain(rows[dataIndex].told)}`,
      },
      series: [{
        type: "custom",
        name: figure.title,
        data: rows.map((row, i) => [row.value, i, row.low, row.high]),
        encode: { x: [0, 2, 3], y: 1 },
        renderItem: (item, api) => {
          const row = rows[item.dataIndex];
          const [cx, cy] = api.coord([row.value, item.dataIndex]);
          const dot = { type: "circle", shape: { cx, cy, r: 4.5 },
            style: { fill: row.apart ? colour(row) : look.surface, stroke: colour(row), lineWidth: 2 } };
          return { type: "group", children: [...(row.low === null ? [] : whisker(api, row, item.dataIndex)), dot] };
        },
        markLine: {
          silent: true, symbol: "none", label: { show: false }, data: [{ xAxis: 0 }],
          lineStyle: { color: look.muted, type: "dotted", width: 1.5 },
        },
      }],
    };
  }

  /* Names are written on the side that has room, one below the other where they would overlap. */
  function dotted(part, place, look, middle) {
    const named = new Map(part.named);
    const colour = colourOf(look, part.colour ?? place);
    return {
      type: part.joined ? "line" : "scatter",
      name: part.label,
      data: part.x.map((x, i) => ({
        value: [x, part.y[i]],
        label: { show: named.has(i), position: x > middle ? "left" : "right", formatter: () => plain(named.get(i) ?? "") },
      })),
      symbol: "circle",
      symbolSize: part.joined ? 5 : 8,
      showSymbol: true,
      showAllSymbol: true,
      lineStyle: { width: 1.5, color: colour },
      itemStyle: { color: colour, opacity: part.joined ? 1 : 0.75 },
      label: { color: look.ink, fontSize: 11, textBorderColor: look.surface, textBorderWidth: 3 },
      labelLayout: { moveOverlap: "shiftY" },
      emphasis: { scale: 1.4 },
      z: 3,
    };
  }

  function dots(figure, look) {
    const found = base(figure, look);
    const values = finite(figure.parts.flatMap((part) => [...part.x, ...part.y]));
    const width = highest(values) - lowest(values);
    const step = [0.2, 0.1, 0.05, 0.02].find((one) => width > 2.5 * one) ?? 0.01;
    const round = (value, towards) => Number((towards(value / step) * step).toFixed(6));
    const [low, high] = [round(lowest(values), Math.floor), round(highest(values), Math.ceil)];
    const [first, last] = [low, high > low ? high : low + step];
    const several = figure.parts.length > 1;
    const scale = (name, nameGap) => valueAxis(look, { name, nameGap, min: first, max: last, interval: step });
    return {
      ...found,
      legend: { show: several, data: figure.parts.map((part) => ({ name: part.label, icon: "circle" })), top: 0, left: 0,
        textStyle: { color: look.ink, fontSize: 12 } },
      grid: room(several ? 32 : 10, 6),
      xAxis: scale(brief(figure.x_label, Math.floor(look.width / LETTER) - 8), 24),
      yAxis: scale(ending(figure.y_label, 34), 40),
      tooltip: {
        ...found.tooltip, trigger: "item",
        formatter: ({ seriesIndex, dataIndex, value: [x, y] }) => [
          figure.parts[seriesIndex].told[dataIndex],
          `${figure.x_label} ${number(x)}`, `${figure.y_label} ${number(y)}`,
        ].map(plain).join("\n"),
      },
      series: [
        ...figure.parts.map((part, i) => dotted(part, i, look, (first + last) / 2)),
        { type: "line", data: [[first, first], [last, last]], symbol: "none", silent: true, z: 1,
          lineStyle: { color: look.muted, type: "dashed", width: 1.2 }, tooltip: { show: false } },
      ],
    };
  }

  return { forest, dots };
})();
