"use strict";

/* A stretch of the x axis is chosen by dragging over the plot; a double click shows all of it again. */
const kagZooming = (() => {
  const LEAST = 8;
  /* Pixels that are no slip of the hand. */

  function attach(chart, colour) {
    const room = chart.getZr();
    let begin = null;
    let shade = null;

    const inside = (event) => chart.containPixel({ gridIndex: 0 }, [event.offsetX, event.offsetY]);

    function end() {
      if (shade !== null) room.remove(shade);
      [begin, shade] = [null, null];
    }

    room.on("mousedown", (event) => {
      if (inside(event) && !event.event.ctrlKey) begin = event.offsetX;
    });
    room.on("mousemove", (event) => {
      if (begin === null) return;
      if (shade === null) {
        shade = new echarts.graphic.Rect({ silent: true, z: 100, style: { fill: colour(), opacity: 0.14 } });
        room.add(shade);
      }
      const left = Math.min(begin, event.offsetX);
      shade.setShape({ x: left, y: 0, width: Math.abs(event.offsetX - begin), height: chart.getHeight() });
    });
    room.on("mouseup", (event) => {
      const [from, to] = [begin, event.offsetX];
      end();
      if (from === null || Math.abs(to - from) < LEAST) return;
      const [startValue, endValue] = [Math.min(from, to), Math.max(from, to)]
        .map((x) => chart.convertFromPixel({ xAxisIndex: 0 }, x));
      chart.dispatchAction({ type: "dataZoom", startValue, endValue });
    });
    room.on("globalout", end);
    room.on("dblclick", () => chart.dispatchAction({ type: "dataZoom", start: 0, end: 100 }));
  }

  /* The stretch after a step: "in" halves it, "out" doubles it, "back" and "on" go half its length; null is all. */
  function moved(stretch, low, high, way) {
    const { from, to } = stretch ?? { from: low, to: high };
    const [middle, half] = [(from + to) / 2, (to - from) / 2];
    const wide = { in: half / 2, out: half * 2 }[way] ?? half;
    const centre = middle + ({ back: -half, on: half }[way] ?? 0);
    const begin = Math.max(low, Math.min(centre - wide, high - 2 * wide));
    const end = Math.min(high, begin + 2 * wide);
    return begin <= low && end >= high ? null : { from: begin, to: end };
  }

  return { attach, moved };
})();
