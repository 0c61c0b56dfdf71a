"use strict";

/* Curves of any number of runs in one chart: a series draws them all, and what is pointed at is found here.

   A figure of this kind has `lines` of { id, label, colour, x, y } and, where one stands for several runs, { sd, n, of }:
   the standard deviation around it, and how many runs it is of at each place. */
const kagBundle = (() => {
  const { number, plain, colourOf, lowest, highest, finite, base, valueAxis, room, axisText } = kagDrawing;

  const NEAR = 40;
  /* Pixels from a curve at which it is meant. */

  const bandOf = (line) => ({
    ...line,
    low: line.y.map((y, i) => (y === null || line.sd[i] === null ? null : y - line.sd[i])),
    high: line.y.map((y, i) => (y === null || line.sd[i] === null ? null : y + line.sd[i])),
  });

  /* The stretches of a curve between its gaps, as lists of places. */
  function stretches(known) {
    const found = [];
    known.forEach((is, i) => {
      if (is && !known[i - 1]) found.push([]);
      if (is) found.at(-1).push(i);
    });
    return found;
  }

  function drawing(line, colour, style) {
    const parts = stretches(line.y.map((y) => y !== null));
    return (api) => ({
      type: "group",
      children: parts.map((part) => {
        const points = part.map((i) => api.coord([line.x[i], line.y[i]]));
        return points.length === 1
          ? { type: "circle", silent: true, shape: { cx: points[0][0], cy: points[0][1], r: 2.5 }, style: { fill: colour, ...style } }
          : { type: "polyline", silent: true, shape: { points }, style: { fill: "none", stroke: colour, ...style } };
      }),
    });
  }

  function area(band, colour) {
    const parts = stretches(band.x.map((_x, i) => band.low[i] !== null && band.high[i] !== null));
    return (api) => ({
      type: "group",
      children: parts.map((part) => ({
        type: "polygon",
        silent: true,
        shape: { points: [...part.map((i) => api.coord([band.x[i], band.low[i]])),
          ...part.toReversed().map((i) => api.coord([band.x[i], band.high[i]]))] },
        style: { fill: colour, opacity: 0.16 },
      })),
    });
  }

  const boxOf = (line, ys) => [lowest(line.x), lowest(finite(ys)), highest(line.x), highest(finite(ys))];

  function layer(id, items, z) {
    return {
      id, type: "custom", clip: true, silent: true, z, progressive: 0, animation: false,
      data: items.map((item) => item.box), encode: { x: [0, 2], y: [1, 3], tooltip: [] },
      renderItem: (params, api) => items[params.dataIndex].draw(api),
    };
  }

  /* Of few curves that have one colour, all after the first are dotted. */
  function dashes(all) {
    const seen = new Set();
    const repeated = (line) => seen.has(line.colour) || !seen.add(line.colour);
    return new Map(all.length > 24 ? [] : all.filter(repeated).map((line) => [line.id, [2, 3]]));
  }

  function bundle(figure, look) {
    const { lines, bands } = kagCurveView;
    const told = figure.lines.filter((line) => line.y.some((y) => y !== null));
    const width = told.length > 60 ? 1 : told.length > 12 ? 1.4 : 2;
    const drawn = lines(told, look.view).filter((line) => finite(line.y).length);
    const [faint, clear] = [drawn.filter((line) => line.faint), drawn.filter((line) => !line.faint)];
    const dash = dashes(told);
    const item = (style) => (line) => ({ box: boxOf(line, line.y),
      draw: drawing(line, colourOf(look, line.colour), { ...style, lineDash: dash.get(line.id) }) });
    const rooms = bands(told.filter((line) => line.sd).map(bandOf), look.view)
      .filter((band) => finite(band.low).length)
      .map((band) => ({ box: boxOf(band, [...band.low, ...band.high]), draw: area(band, colourOf(look, band.colour)) }));
    const found = base({ ...figure, kind: "chart", lines: figure.lines.length > 12 ? [] : told, marks: [], spans: [] }, look);
    if (figure.lines.length > 12) found.aria.label.description = `${figure.title}, ${told.length} curves by ${figure.x_label}`;
    return {
      ...found,
      tooltip: { show: false },
      grid: room(10, 6),
      xAxis: { ...valueAxis(look, { name: figure.x_label, nameGap: 24, min: "dataMin", max: "dataMax",
        splitLine: { show: false } }), ...axisText(look, figure.axis_kind) },
      yAxis: valueAxis(look, { type: look.view.log ? "log" : "value", axisLine: { show: false }, splitNumber: 4 }),
      dataZoom: [look.zoom],
      series: [
        layer("bands", rooms, 1),
        layer("faint", faint.map(item({ lineWidth: 1, opacity: 0.2 })), 2),
        layer("lines", clear.map(item({ lineWidth: width, opacity: told.length > 200 ? 0.75 : 1 })), 3),
        layer("near", [], 9),
      ],
    };
  }

  /* The curve that is meant by a place of the plot, or null: { line, at }, the place on it. */
  function nearest(figure, look, chart, [px, py]) {
    const scale = (finder, first, other) => {
      const [a, b] = [chart.convertToPixel(finder, first), chart.convertToPixel(finder, other)];
      return { of: (value) => a + ((value - first) / (other - first)) * (b - a) };
    };
    const x = scale({ xAxisIndex: 0 }, 0, 1);
    const shown = look.view.log ? Math.log10 : (value) => value;
    const [low, high] = look.view.log ? [1, 10] : [0, 1];
    const [bottom, top] = [chart.convertToPixel({ yAxisIndex: 0 }, low), chart.convertToPixel({ yAxisIndex: 0 }, high)];
    const y = (value) => bottom + (shown(value) - shown(low)) / (shown(high) - shown(low)) * (top - bottom);
    let best = { distance: NEAR, found: null };
    for (const line of kagCurveView.lines(figure.lines, look.view)) {
      if (line.faint) continue;
      line.x.forEach((value, i) => {
        if (line.y[i] === null) return;
        const aside = Math.abs(x.of(value) - px);
        const distance = Math.hypot(aside, y(line.y[i]) - py);
        if (distance < best.distance) best = { distance, found: { line, at: i } };
      });
    }
    return best.found;
  }

  /* One curve above the others. */
  function near(chart, meant, look) {
    const line = meant === null ? null : kagCurveView.lines([meant], look.view).at(-1);
    const items = line === null || !finite(line.y).length ? [] : [
      { box: boxOf(line, line.y), draw: drawing(line, look.surface, { lineWidth: 7 }) },
      { box: boxOf(line, line.y), draw: drawing(line, colourOf(look, line.colour), { lineWidth: 3.5 }) },
    ];
    chart.setOption({ series: [layer("near", items, 9)] });
  }

  function told(figure, { line, at }) {
    const where = `${figure.x_label} ${kagDrawing.placeText(line.x[at], figure.axis_kind)}`;
    const spread = line.n && line.sd[at] !== null ? ` ± ${number(line.sd[at], 2)}` : "";
    const count = line.n ? `, mean of ${line.n[at]}${line.n[at] === line.of ? "" : ` of ${line.of}`} runs` : "";
    return `${plain(line.label)}  ${where}  ${number(line.y[at])}${spread}${count}`;
  }

  return { bundle, nearest, near, told };
})();
