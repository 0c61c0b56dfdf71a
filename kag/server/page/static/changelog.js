/* The change log: rows that fit, as one types. */

const find = (id) => document.getElementById(id);
const rows = [...(find("log")?.tBodies[0].rows ?? [])].map((row) => ({ row, text: row.textContent.toLowerCase() }));

function show() {
  const words = find("text").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const severity = find("severity").value;
  let shown = 0;
  for (const { row, text } of rows) {
    const fits = words.every((word) => text.includes(word))
      && (!severity || row.dataset.severities.split(" ").includes(severity));
    row.hidden = !fits;
    shown += fits;
  }
  find("count").textContent = shown === rows.length ? `${rows.length} rows` : `${shown} of ${rows.length} rows`;
}

find("text").addEventListener("input", show);
find("severity").addEventListener("change", show);
