"use strict";

/* Figures as ECharts options: one pure function a kind. `look` holds the colours and the width of the place. */
const kagOptions = (() => {
  const { MISSING, number, plain, brief, finite, lowest, highest } = kagDrawing;
  const { base, axis, valueAxis, room, tick, ending } = kagDrawing;
  const { chart } = kagCurves;
  const { forest, dots } = kagScored;
  const NARROW = 520;

  const colourBar = (look, low, high, label, more) => ({
    type: "continuous", min: low, max: high > low ? high : low + 1e-9, calculable: false, orient: "horizontal",
    left: "center", bottom: 0, itemWidth: 10, itemHeight: Math.max(30, Math.min(180, look.width - 150 - 6 * label.length)),
    text: [`${number(high)}  ${label}`, number(low)], textStyle: { color: look.muted, fontSize: 11 },
    inRange: { color: look.scale }, ...more,
  });

  function heatmap(figure, look) {
    const cells = figure.values.flatMap((row, y) => row.map((value, x) => ({ x, y, value })))
      .filter((cell) => cell.value !== null);
    const best = (cell) => figure.marked !== null && figure.marked[0] === cell.y && figure.marked[1] === cell.x;
    cells.sort((one, other) => best(one) - best(other));  // the frame of the best one lies above its neighbours
    const values = cells.map((cell) => cell.value);
    const [low, high] = [lowest(values), highest(values)];
    const wide = (look.width - 80) / figure.x.length >= 50 && figure.y.length <= 16;
    const found = base(figure, look);
    const category = (data, name, nameGap) => axis(look, {
      type: "category", data, name, nameGap, splitLine: { show: false },
    });
    const item = (cell) => ({
      value: [cell.x, cell.y, cell.value],
      label: {
        show: wide || best(cell), color: cell.value - low > 0.55 * (high - low) ? "#10151b" : "#ffffff",
        fontWeight: best(cell) ? "bold" : "normal",
      },
      itemStyle: {
        borderColor: best(cell) ? look.colours[1] : look.surface, borderWidth: best(cell) ? 4 : 1,
      },
    });
    const written = (cell) => [best(cell) ? "★" : "", wide ? number(cell.value) : ""].join(" ").trim();
    return {
      ...found,
      grid: room(8, 34),
      xAxis: category(figure.x, figure.x_label, 26),
      yAxis: category(figure.y, figure.y_label, 36),
      visualMap: colourBar(look, low, high, figure.value_label, { seriesIndex: 0, dimension: 2 }),
      tooltip: {
        ...found.tooltip,
        formatter: ({ value: [x, y, value] }) => [
          `${figure.x_label} ${figure.x[x]}`,
          `${figure.y_label} ${figure.y[y]}`,
          `${figure.value_label} ${number(value)}`,
        ].map(plain).join("\n"),
      },
      series: [{
        type: "heatmap", data: cells.map(item),
        label: { fontSize: 11, formatter: ({ value: [x, y, value] }) => written({ x, y, value }) },
        emphasis: { itemStyle: { borderColor: look.ink, borderWidth: 2 } },
      }],
    };
  }

  const shown = (one, value) => (value !== null && one.words ? one.words[value] ?? MISSING : number(value));

  function parallel(figure, look) {
    const upright = look.width >= NARROW;
    const last = figure.axes.length - 1;
    const called = (one) => one.label.split(".").slice(-2).join(".");
    const longest = highest(figure.axes.map((one) => called(one).length));
    const left = Math.min(16 + 6.5 * longest, 0.4 * look.width);
    const values = finite(figure.rows.map((row) => row[last]));
    const found = base(figure, look);
    const scale = (one, i) => ({
      id: one.label,
      dim: i,
      name: upright ? called(one) : ending(called(one), Math.floor((left - 16) / 6.5)),
      type: one.words ? "category" : one.logarithmic ? "log" : "value",
      data: one.words ?? undefined,
      scale: true,
      minInterval: figure.rows.every((row) => Number.isInteger(row[i])) ? 1 : undefined,
      nameLocation: upright ? "end" : "start",
      nameTextStyle: { color: look.ink, fontSize: 11, width: upright ? look.width / (last + 1) - 8 : left,
        overflow: "truncate" },
      nameGap: upright ? 12 : 10,
      nameRotate: 0,
      axisLine: { lineStyle: { color: look.muted } },
      axisTick: { lineStyle: { color: look.muted } },
      axisLabel: { color: look.ink, fontSize: 10, hideOverlap: true, backgroundColor: look.surface, padding: [1, 3],
        borderRadius: 2, formatter: one.words ? (word) => brief(word, 16) : tick },
    });
    return {
      ...found,
      parallel: upright ? { left: 48, right: 64, top: 34, bottom: 62 }
        : { left, right: 24, top: 16, bottom: 62, layout: "vertical" },
      parallelAxis: figure.axes.map(scale),
      visualMap: colourBar(look, lowest(values), highest(values), figure.axes[last].label, { dimension: last }),
      tooltip: {
        ...found.tooltip,
        formatter: ({ name, dataIndex }) => [
          name, ...figure.axes.map((one, i) => `${one.label}  ${shown(one, figure.rows[dataIndex][i])}`),
        ].map(plain).join("\n"),
      },
      series: [{
        type: "parallel",
        data: figure.rows.map((row, i) => ({ name: figure.labels[i], value: row.map((value) => value ?? NaN) })),
        lineStyle: { width: 1.8, opacity: 0.75 },
        emphasis: { lineStyle: { width: 4, opacity: 1 } },
      }],
    };
  }

  function bars(figure, look) {
    const found = base(figure, look);
    const most = Math.max(14, Math.floor(look.width / 15));
    return {
      ...found,
      grid: room(4, 6, 64),
      xAxis: valueAxis(look, { name: figure.value_label, nameGap: 24, scale: false, splitNumber: 3 }),
      yAxis: axis(look, {
        type: "category", inverse: true, data: figure.labels, splitLine: { show: false }, axisTick: { show: false },
        axisLabel: { color: look.ink, fontSize: 12, formatter: (key) => ending(key, most) },
      }),
      tooltip: { ...found.tooltip, formatter: (item) => `${plain(item.name)}  ${number(item.value)}` },
      series: [{
        type: "bar", data: figure.values, barMaxWidth: 18,
        itemStyle: { color: look.colours[0], borderRadius: [0, 3, 3, 0] },
        label: {
          show: true, position: "right", color: look.ink, fontSize: 11, formatter: (item) => number(item.value),
        },
      }],
    };
  }

  return { bundle: kagBundle.bundle, chart, heatmap, parallel, bars, forest, dots };
})();
