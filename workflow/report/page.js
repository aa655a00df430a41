"use strict";

// Tables are complete without this script; it only sorts and filters them.

function sortTable(table, column, descending) {
  const body = table.tBodies[0];
  const valueOf = (row) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent.trim();
  };
  const rows = Array.from(body.rows);
  const numeric = rows.every((row) => valueOf(row) === "" || !Number.isNaN(Number(valueOf(row))));
  rows.sort((one, other) => {
    const a = valueOf(one);
    const b = valueOf(other);
    if (a === "" || b === "") return (a === "") - (b === ""); // empty cells stay below
    const order = numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
    return descending ? -order : order;
  });
  body.append(...rows);
  for (const [i, head] of Array.from(table.tHead.rows[0].cells).entries()) {
    if (i === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
}

function makeSortable(table) {
  for (const [column, head] of Array.from(table.tHead.rows[0].cells).entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      // Numbers are first shown from the highest, words from A.
      const before = head.getAttribute("aria-sort");
      const descending = before ? before === "ascending" : head.classList.contains("number");
      sortTable(table, column, descending);
    });
  }
}

function filterTable(form, table) {
  const wanted = Object.fromEntries(new FormData(form));
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const named = row.dataset.method.toLowerCase().includes(wanted.method.trim().toLowerCase());
    const fits = ["ipc", "protocol", "student"].every((key) => !wanted[key] || row.dataset[key] === wanted[key]);
    row.hidden = !(named && fits);
    shown += !row.hidden;
  }
  const all = table.tBodies[0].rows.length;
  form.querySelector("output").textContent = `${shown} of ${all} ${all === 1 ? "row" : "rows"}`;
}

document.querySelectorAll("table.sortable").forEach(makeSortable);

const form = document.querySelector(".filters");
const table = document.getElementById("accuracy-table");
form.hidden = false;
form.addEventListener("input", () => filterTable(form, table));
form.addEventListener("submit", (event) => event.preventDefault());
filterTable(form, table);

// What is wider than its place scrolls, and says so (see .wide in page.css).
const regions = document.querySelectorAll(".scroll");
const measure = () => regions.forEach((region) => region.classList.toggle("wide", region.scrollWidth > region.clientWidth));
measure();
window.addEventListener("resize", measure);
document.addEventListener("toggle", measure, true); // a folded table has no width

// What is folded away would be missing on paper.
let folded = [];
window.addEventListener("beforeprint", () => {
  folded = Array.from(document.querySelectorAll("details:not([open])"));
  for (const details of folded) details.open = true;
});
window.addEventListener("afterprint", () => {
  for (const details of folded) details.open = false;
});
