"use strict";
// Number that a cell begins with; cells without one come last.
const numberOf = text => {
  const found = text.replace(/[,\u2212]/g, c => c === "," ? "" : "-").match(/^[<> ]*([+-]?\d+(\.\d+)?)/);
  return found ? Number(found[1]) - (text.startsWith("<") ? 1e-9 : 0) : NaN;
};
const compare = (a, b) => {
  const [x, y] = [numberOf(a), numberOf(b)];
  if (isNaN(x) && isNaN(y)) return a.localeCompare(b);
  return isNaN(x) ? 1 : isNaN(y) ? -1 : x - y;
};
// Rows of a table, sorted by a column; a second click reverses them.
const sortBy = (table, column, head) => {
  const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const body = table.tBodies[0];
  const text = row => row.cells[column].textContent;
  const rows = [...body.rows].sort((a, b) => compare(text(a), text(b)));
  body.append(...(order === "descending" ? rows.reverse() : rows));
};
for (const table of document.querySelectorAll("table")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "sort";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(table, column, head));
    head.append(button);
  });
}
// Marks of a figure: a label on hover and on focus; the arrow keys go from one to the next.
const label = document.createElement("div");
label.id = "label";
label.hidden = true;
label.setAttribute("aria-hidden", "true");
document.querySelector("main").append(label);
const show = mark => {
  label.textContent = mark.getAttribute("aria-label");
  label.hidden = false;
  const box = mark.getBoundingClientRect();
  label.style.left = Math.max(4, Math.min(box.right + 4, innerWidth - label.offsetWidth - 4)) + "px";
  label.style.top = Math.max(4, box.top) + "px";
};
for (const svg of document.querySelectorAll("svg")) {
  const marks = [...svg.querySelectorAll(".mark")];
  marks.forEach((mark, place) => {
    for (const event of ["mouseenter", "focus"]) mark.addEventListener(event, () => show(mark));
    for (const event of ["mouseleave", "blur"]) mark.addEventListener(event, () => { label.hidden = true; });
    mark.addEventListener("keydown", event => {
      const next = marks[place + ({ArrowRight: 1, ArrowLeft: -1}[event.key] || NaN)];
      if (!next) return;
      event.preventDefault();
      mark.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    });
  });
}
