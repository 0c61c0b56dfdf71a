"use strict";

/* How curves are looked at: smoothed, on a logarithmic axis. Pure functions; `view` is { smooth, log }. */
const kagCurveView = (() => {
  /* The exponential mean of what came before, its start corrected as in Adam (arXiv 1412.6980); gaps stay gaps. */
  function smoothed(values, weight) {
    let [mean, share] = [0, 1];
    return values.map((value) => {
      if (value === null) return null;
      mean = weight * mean + (1 - weight) * value;
      share *= weight;
      return mean / (1 - share);
    });
  }

  /* What a logarithmic axis cannot show is a gap. */
  const positive = (values) => values.map((value) => (value !== null && value > 0 ? value : null));

  const onAxis = (values, view) => (view.log ? positive(values) : values);

  /* The lines as they are drawn: where they are smoothed, each as it was, faint, and over it the smooth one. */
  function lines(all, view) {
    return all.flatMap((line) => {
      const own = { ...line, y: onAxis(line.y, view) };
      if (!view.smooth || line.points || line.x.length < 3) return [own];
      return [{ ...own, faint: true }, { ...own, y: onAxis(smoothed(line.y, view.smooth), view) }];
    });
  }

  const bands = (all, view) => all.map((band) => ({ ...band, low: onAxis(band.low, view), high: onAxis(band.high, view) }));

  return { smoothed, lines, bands };
})();
