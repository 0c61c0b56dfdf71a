"use strict";

/* Figures as ECharts options: one pure function a kind. `look` holds the colours and the width of the place.

   Names of runs are text that a stranger may have written: they are never HTML, and never a template of ECharts. */
const kagOptions = (() => {
  const MISSING = "–";
  const NARROW = 520;

  function number(value) {
    if (value === null || value === undefined || Number.isNaN(value)) return MISSING;
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e6) return String(value);
    const rounded = Number(value.toPrecision(4));
    return size !== 0 && (size < 1e-3 || size >= 1e6) ? rounded.toExponential() : String(rounded);
  }

  // Rich text of ECharts reads `{style|text}`; a space of no width after the brace keeps the text as it is.
  const plain = (text) => text.replaceAll("{", "{\u200b");

  const brief = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

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
    return { ...found, axisLabel: { ...found.axisLabel, formatter: number } };
  };

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
    if (figure.kind === "heatmap") {
      const best = figure.marked;
      const told = best ? `best ${number(figure.values[best[0]][best[1]])} at ${figure.x_label} ${figure.x[best[1]]}, `
        + `${figure.y_label} ${figure.y[best[0]]}` : "";
      return `${figure.title}, ${figure.value_label} by ${figure.x_label} and ${figure.y_label}; ${told}`;
    }
    return `${figure.title}: ${figure.rows.length} lines over ${figure.axes.map((one) => one.label).join(", ")}`;
  }

  // --- curves ------------------------------------------------------------------------------------------------------

  function curve(line, place, look) {
    const colour = colourOf(look, place);
    const alone = line.y.map((value, i) => value !== null && (line.y[i - 1] ?? null) === null
      && (line.y[i + 1] ?? null) === null);
    const data = line.x.map((x, i) => [x, line.y[i]]);
    if (line.points) return { type: "scatter", name: line.label, data, symbolSize: 7, itemStyle: { color: colour } };
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

  /* Marks and spans hang on a series without data. */
  function annotations(figure, middle, look) {
    const label = { show: true, color: look.muted, fontSize: 11 };
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
          label: { ...label, position: "end", distance: 3, align: mark.x > middle ? "right" : "left",
            formatter: () => mark.label },
        })),
      },
      markArea: {
        silent: true,
        itemStyle: { color: look.span },
        data: figure.spans.map((span) => [
          { xAxis: span.start, label: { ...label, position: "insideTop", formatter: () => span.label } },
          { xAxis: span.end },
        ]),
      },
    };
  }

  function readout(figure, items) {
    const shown = items.filter((item) => item.seriesName && item.value.slice(1).every((value) => value !== null));
    const lines = shown.map((item) => {
      const values = item.value.slice(1).map(number).join(" to ");
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
      height: 8 + 22 * (paged ? 1 : lines),
      option: {
        type: paged ? "scroll" : "plain", data: items, top: 0, left: 0, itemWidth: 22, itemHeight: 14, itemGap: 12,
        formatter: (name) => brief(name, 28), textStyle: { color: look.ink, fontSize: 12, lineHeight: 18 },
        pageTextStyle: { color: look.muted }, pageIconColor: look.accent, pageIconInactiveColor: look.grid,
      },
    };
  }

  function chart(figure, look) {
    const bands = figure.bands.map((band, i) => area(band, i, look));
    const lines = figure.lines.map((line, i) => curve(line, line.colour ?? i, look));
    const x = [...figure.lines, ...figure.bands].flatMap((one) => one.x);
    const [first, last] = [lowest(x), highest(x)];
    const shape = (line) => (line.points ? ICONS.dots : line.dashed ? ICONS.dashed : ICONS.line);
    const labels = [
      ...figure.lines.map((line) => ({ name: line.label, icon: shape(line) })),
      ...figure.bands.map((band) => ({ name: band.label, icon: ICONS.band })),
    ];
    const named = legend(labels, look);
    const found = base(figure, look);
    return {
      ...found,
      legend: { ...named.option, show: labels.length > 1 },
      grid: room((labels.length > 1 ? named.height : 10) + (figure.marks.length ? 16 : 0), 6),
      xAxis: valueAxis(look, {
        name: figure.x_label, nameGap: 24, min: first, max: last, splitLine: { show: false },
        minInterval: x.every(Number.isInteger) ? 1 : undefined,
      }),
      yAxis: valueAxis(look, { name: figure.y_label, nameGap: 40, axisLine: { show: false }, splitNumber: 4 }),
      dataZoom: [{ type: "inside", filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseMove: "ctrl",
        moveOnMouseWheel: false, preventDefaultMouseMove: false }],
      tooltip: {
        ...found.tooltip, trigger: "axis", axisPointer: { type: "line", lineStyle: { color: look.muted } },
        formatter: (items) => readout(figure, items),
      },
      series: [...bands, ...lines, annotations(figure, (first + last) / 2, look)],
    };
  }

  // --- the other kinds ---------------------------------------------------------------------------------------------

  const colourBar = (look, low, high, label, more) => ({
    type: "continuous", min: low, max: high > low ? high : low + 1e-9, calculable: false, orient: "horizontal",
    left: "center", bottom: 0, itemWidth: 10, itemHeight: Math.min(180, look.width / 3),
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
    const wide = (look.width - 80) / figure.x.length >= 50;
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
    const values = finite(figure.rows.map((row) => row[last]));
    const found = base(figure, look);
    const scale = (one, i) => ({
      dim: i,
      name: one.label.split(".").slice(-2).join("."),
      type: one.words ? "category" : one.logarithmic ? "log" : "value",
      data: one.words ?? undefined,
      scale: true,
      minInterval: figure.rows.every((row) => Number.isInteger(row[i])) ? 1 : undefined,
      nameLocation: upright ? "end" : "start",
      nameTextStyle: { color: look.ink, fontSize: 11, width: upright ? look.width / (last + 1) - 8 : 96,
        overflow: "truncate" },
      nameGap: upright ? 12 : 10,
      nameRotate: 0,
      axisLine: { lineStyle: { color: look.muted } },
      axisTick: { lineStyle: { color: look.muted } },
      axisLabel: { color: look.ink, fontSize: 10, hideOverlap: true, backgroundColor: look.surface, padding: [1, 3],
        borderRadius: 2, formatter: one.words ? (word) => brief(word, 16) : number },
    });
    return {
      ...found,
      parallel: upright ? { left: 48, right: 64, top: 34, bottom: 62 }
        : { left: 112, right: 24, top: 16, bottom: 62, layout: "vertical" },
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
    return {
      ...found,
      grid: room(4, 6, 64),
      xAxis: valueAxis(look, { name: figure.value_label, nameGap: 24, scale: false, splitNumber: 3 }),
      yAxis: axis(look, {
        type: "category", inverse: true, data: figure.labels, splitLine: { show: false }, axisTick: { show: false },
        axisLabel: { color: look.ink, fontSize: 12, width: Math.max(90, look.width * 0.4), overflow: "truncate" },
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

  return { chart, heatmap, parallel, bars, description, number };
})();
