"use strict";
// Sorting and filtering of tables; without scripts everything is still there to read.
function matches(text, words) { return words.every(word => text.includes(word)); }
function words(input) { return input.value.toLowerCase().split(/\s+/).filter(Boolean); }
for (const table of document.querySelectorAll(".table")) {
  const body = table.querySelector("tbody"), rows = [...body.rows];
  const input = table.querySelector("input"), output = table.querySelector("output");
  if (input) input.addEventListener("input", () => {
    const wanted = words(input);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !matches(row.textContent.toLowerCase(), wanted);
      shown += row.hidden ? 0 : 1;
    }
    output.textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  });
  table.querySelectorAll("th").forEach((head, column) => {
    head.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = row => { const cell = row.cells[column]; return "v" in cell.dataset ? Number(cell.dataset.v) : cell.textContent; };
      // Numbers before texts (a status, a dash), whichever way they are sorted.
      const compare = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1) : typeof a === "number" ? -1 : 1;
      body.append(...[...rows].sort((a, b) => compare(key(a), key(b))));
    });
  });
}
const filter = document.getElementById("verdict-filter");
filter.addEventListener("input", () => {
  const wanted = words(filter);
  for (const entry of document.querySelectorAll(".verdicts > div")) entry.hidden = !matches(entry.textContent.toLowerCase(), wanted);
});
