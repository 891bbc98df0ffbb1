// Sorts a table by a click on a heading: th[data-sort="text|number|time"], by td[data-value] or the cell's words.
// The choice stands in the URL (?sort=3 or ?sort=-3), so that a link shows the same.

const valueOf = (row, column, kind) => {
  const cell = row.cells[column];
  const value = cell.dataset.value ?? cell.querySelector("time")?.dateTime ?? cell.textContent.trim();
  if (kind === "number") return value === "" || value === "-" ? -Infinity : Number.parseFloat(value);
  return kind === "time" ? Date.parse(value) || 0 : value.toLocaleLowerCase();
};

function sort(table, heading, descending) {
  const column = heading.cellIndex;
  const kind = heading.dataset.sort;
  const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row, column, kind), row]);
  rows.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (descending ? -1 : 1));
  table.tBodies[0].append(...rows.map(([, row]) => row));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

function choose(table, heading) {
  const descending = heading.getAttribute("aria-sort") === "ascending";
  sort(table, heading, descending);
  const url = new URL(location.href);
  url.searchParams.set("sort", `${descending ? "-" : ""}${heading.cellIndex + 1}`);
  history.replaceState(history.state, "", url);
}

for (const table of document.querySelectorAll("table.table")) {
  for (const heading of table.querySelectorAll("th[data-sort]")) {
    heading.tabIndex = 0;
    heading.addEventListener("click", () => choose(table, heading));
    heading.addEventListener("keydown", (event) => event.key === "Enter" && choose(table, heading));
  }
  const asked = Number.parseInt(new URL(location.href).searchParams.get("sort"), 10);
  const heading = asked ? table.tHead?.rows[0].cells[Math.abs(asked) - 1] : null;
  if (heading?.dataset.sort) sort(table, heading, asked < 0);
}
