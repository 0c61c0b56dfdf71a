/* The filter of the table of runs: words that a run must hold, and conditions such as `val/auprc>0.4`. */

const CONDITION = /^(.+?)(<=|>=|!=|=|<|>)(.+)$/;

const TESTS = {
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
};

/* A test of runs. `columns` are those that are shown; a condition on none of them is looked for as a word. */
export function test(text, columns) {
  const parts = text.trim().toLowerCase().split(/\s+/).filter(Boolean).map((part) => condition(part, columns) ?? word(part));
  return (run) => parts.every((part) => part(run));
}

function word(part) {
  return (run) => run.hay.includes(part);
}

function condition(part, columns) {
  const found = CONDITION.exec(part);
  if (found === null) return null;
  const [, name, sign, wanted] = found;
  const place = columns.findIndex((column) => [column.key, column.label].some((one) => one.toLowerCase() === name));
  const near = place >= 0 ? place : columns.findIndex((column) => column.key.toLowerCase().endsWith(name));
  if (near < 0) return null;
  const amount = Number(wanted);
  return (run) => {
    const value = run.values[near];
    if (value === null || value === undefined) return false;
    if (typeof value === "number" && !Number.isNaN(amount)) return TESTS[sign](value, amount);
    return TESTS[sign](String(value).toLowerCase(), wanted);
  };
}
