"use strict";

/* Curves over a common axis as ECharts options. `look` holds the colours and the width of the place. */
const kagCurves = (() => {
  const { number, plain, brief, colourOf, lowest, highest, base, valueAxis, room } = kagDrawing;

  /* A line as it was logged, below the smooth one: it is neither named nor read out. */
  const FAINT = { name: "", silent: true, z: 1, showSymbol: false, lineStyle: { width: 1, opacity: 0.28 } };

  function curve(line, place, look) {
    const colour = colourOf(look, place);
    const alone = line.y.map((value, i) => value !== null && (line.y[i - 1] ?? null) === null
      && (line.y[i + 1] ?? null) === null);
    const data = line.x.map((x, i) => [x, line.y[i]]);
    if (line.points) {
      const one = data.length === 1 ? { borderColor: look.ink, borderWidth: 1.5 } : {};
      return { type: "scatter", name: line.label, data, symbolSize: data.length === 1 ? 11 : 7, z: 4,
        itemStyle: { color: colour, ...one } };
    }
    const dots = alone.some(Boolean);
    return {
      type: "line",
      name: line.label,
      data,
      sampling: "lttb",
      connectNulls: false,
      symbol: "circle",
      showSymbol: dots,
      showAllSymbol: dots,
      symbolSize: dots ? (_value, item) => (alone[item.dataIndex] ? 6 : 0) : 6,
      lineStyle: {
        width: line.dashed ? 1.5 : 2,
        type: line.dashed ? "dashed" : place < look.colours.length ? "solid" : "dotted",
      },
      itemStyle: { color: colour },
      emphasis: { disabled: true },
      ...(line.faint ? FAINT : {}),
    };
  }

  /* The room between two curves as one polygon for each stretch without a gap. */
  function area(band, place, look) {
    const colour = colourOf(look, place);
    const known = band.x.map((_x, i) => band.low[i] !== null && band.high[i] !== null);
    const stretches = [];
    known.forEach((is, i) => {
      if (is && !known[i - 1]) stretches.push([]);
      if (is) stretches.at(-1).push(i);
    });
    const polygon = (stretch, api) => [
      ...stretch.map((i) => api.coord([band.x[i], band.low[i]])),
      ...stretch.toReversed().map((i) => api.coord([band.x[i], band.high[i]])),
    ];
    return {
      type: "custom",
      name: band.label,
      data: band.x.map((x, i) => [x, band.low[i], band.high[i]]).filter((_row, i) => known[i]),
      encode: { x: 0, y: [1, 2] },
      itemStyle: { color: colour, opacity: 0.3 },
      clip: true,
      z: 1,
      renderItem: (item, api) => (item.dataIndexInside !== 0 ? null : {
        type: "group",
        children: stretches.map((stretch) => ({
          type: "polygon",
          silent: true,
          shape: { points: polygon(stretch, api) },
          style: { fill: colour, opacity: 0.2 },
        })),
      }),
    };
  }

  /* Labels stand above the plot, where no curve can be: in one row, or those of marks in a second one where they would
     run into those of spans. */
  const [ROW, LETTER, BESIDE] = [15, 6.2, 70];

  const isLate = (mark, [first, last]) => mark.x > (first + last) / 2;

  function rowsAbove(figure, range, look) {
    if (figure.spans.length + figure.marks.length === 0) return 0;
    const [first, last] = range;
    const place = (x) => ((x - first) / (last - first || 1)) * (look.width - BESIDE);
    const meets = (mark, span) => {
      const length = LETTER * (mark.label.length + 1);
      const left = place(mark.x) - (isLate(mark, range) ? length : 0);
      const [middle, half] = [place((span.start + span.end) / 2), (LETTER / 2) * (span.label.length + 1)];
      return left < middle + half && middle - half < left + length;
    };
    return figure.marks.some((mark) => figure.spans.some((span) => meets(mark, span))) ? 2 : 1;
  }

  /* Marks and spans hang on a series without data. */
  function annotations(figure, range, rows, look) {
    const label = { show: true, color: look.muted, fontSize: 11 };
    const above = 3 + ROW * (rows - 1);
    return {
      type: "line",
      data: [],
      silent: true,
      markLine: {
        silent: true,
        symbol: "none",
        lineStyle: { color: look.muted, type: "dotted", width: 1.5 },
        data: figure.marks.map((mark) => ({
          xAxis: mark.x,
          label: { ...label, position: "end", distance: above, align: isLate(mark, range) ? "right" : "left",
            formatter: () => mark.label },
        })),
      },
      markArea: {
        silent: true,
        itemStyle: { color: look.span },
        data: figure.spans.map((span) => [
          { xAxis: span.start, label: { ...label, position: "top", distance: 3, formatter: () => span.label } },
          { xAxis: span.end },
        ]),
      },
    };
  }

  function readout(figure, items) {
    const shown = items.filter((item) => item.seriesName && item.value.slice(1).every((value) => value !== null));
    const lines = shown.map((item) => {
      const values = item.value.slice(1).map((value) => number(value)).join(" to ");
      return `${item.marker}${plain(item.seriesName)}  ${values}`;
    });
    return [`${plain(figure.x_label)} ${number(items[0].axisValue)}`, ...lines].join("\n");
  }

  /* One line of the legend holds what fits; one of more than three lines is paged instead. */
  const ICONS = {
    line: "path://M0 0h22v3h-22z", dashed: "path://M0 0h9v3h-9zM13 0h9v3h-9z", band: "rect", dots: "circle",
  };

  function legend(items, look) {
    const names = items.map((item) => item.name);
    const lines = names.reduce(([count, used], name) => {
      const width = Math.min(name.length, 28) * 7 + 42;
      return used + width > look.width && used > 0 ? [count + 1, width] : [count, used + width];
    }, [1, 0])[0];
    const paged = lines > 3;
    return {
      height: 2 + 30 * (paged ? 1 : lines),
      option: {
        type: paged ? "scroll" : "plain", data: items, top: 0, left: 0, itemWidth: 22, itemHeight: 14, itemGap: 12,
        formatter: (name) => brief(name, 28), textStyle: { color: look.ink, fontSize: 12, lineHeight: 18 },
        pageTextStyle: { color: look.muted }, pageIconColor: look.accent, pageIconInactiveColor: look.grid,
      },
    };
  }

  function chart(figure, look) {
    const { lines: seen, bands: seenBands } = kagCurveView;
    const coloured = figure.lines.map((line, i) => ({ ...line, colour: line.colour ?? i }));
    const bands = seenBands(figure.bands, look.view).map((band, i) => area(band, band.colour ?? i, look));
    const lines = seen(coloured, look.view).map((line) => curve(line, line.colour, look));
    const x = [...figure.lines, ...figure.bands].flatMap((one) => one.x);
    const range = [lowest(x), highest(x)];
    const rows = rowsAbove(figure, range, look);
    const shape = (line) => (line.points ? ICONS.dots : line.dashed ? ICONS.dashed : ICONS.line);
    const labels = [
      ...figure.lines.map((line) => ({ name: line.label, icon: shape(line) })),
      ...figure.bands.map((band) => ({ name: band.label, icon: ICONS.band })),
    ].filter((one, i, all) => all.findIndex((other) => other.name === one.name) === i);  // a line and its band are one
    const named = legend(labels, look);
    const isNamed = labels.length > 1 && !look.legendOutside;
    const found = base(figure, look);
    return {
      ...found,
      legend: { ...named.option, show: isNamed },
      grid: room((isNamed ? named.height : 10) + ROW * rows, 6),
      xAxis: valueAxis(look, {
        name: figure.x_label, nameGap: 24, min: range[0], max: range[1], splitLine: { show: false },
        minInterval: x.every(Number.isInteger) ? 1 : undefined,
      }),
      yAxis: valueAxis(look, { type: look.view.log ? "log" : "value", name: figure.y_label, nameGap: 40, axisLine: { show: false }, splitNumber: 4 }),
      dataZoom: [look.zoom],
      tooltip: {
        ...found.tooltip, trigger: "axis", axisPointer: { type: "line", lineStyle: { color: look.muted } },
        formatter: (items) => readout(figure, items),
      },
      series: [...lines, ...bands, annotations(figure, range, rows, look)],
    };
  }

  return { chart };
})();
