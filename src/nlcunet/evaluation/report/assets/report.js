"use strict";
// Everything on the page is readable without this: here are sorting, names of dots by touch, and holding a crop to
// see the original in its place.

// Tables: each head becomes a button that sorts by its column.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (!body || body.rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const words = head.querySelector("span");
    const button = document.createElement("button");
    button.type = "button";
    words.replaceWith(button);
    button.append(...words.childNodes);
    button.addEventListener("click", () => sortBy(table, body, head, column));
  });
}

function sortBy(table, body, head, column) {
  const isNumber = head.classList.contains("number");
  const old = head.getAttribute("aria-sort");
  const isDown = old ? old === "ascending" : isNumber; // numbers: the largest first
  const valueOf = (row) => row.cells[column].dataset.value ?? "";
  const rows = [...body.rows].map((row, index) => ({ row, index, value: valueOf(row) }));
  rows.sort((a, b) => {
    if ((a.value === "") !== (b.value === "")) return a.value === "" ? 1 : -1;
    const order = isNumber ? compareNumbers(toNumber(a.value), toNumber(b.value)) : a.value.localeCompare(b.value);
    return (isDown ? -order : order) || a.index - b.index;
  });
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
  body.append(...rows.map((one) => one.row));
}

function toNumber(text) {
  return text === "inf" ? Infinity : text === "-inf" ? -Infinity : Number(text);
}

function compareNumbers(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

// Plots: what a mark stands for is written below it, and the dots of one image light up together.
for (const plot of document.querySelectorAll(".plot")) {
  const marks = [...plot.querySelectorAll(".dot")];
  if (!marks.length) continue;
  const told = document.createElement("output");
  plot.append(told);
  const nameOf = (mark) => mark.querySelector("title").textContent.replace(/: [^:]*$/, "");
  const show = (event) => {
    const mark = event.target.closest(".dot");
    const isDot = mark && mark.tagName === "circle";
    told.textContent = mark ? mark.querySelector("title").textContent : "";
    plot.classList.toggle("picked", Boolean(isDot));
    for (const one of marks) one.classList.toggle("same", Boolean(isDot) && nameOf(one) === nameOf(mark));
  };
  plot.querySelector("svg").addEventListener("pointerover", show);
  plot.querySelector("svg").addEventListener("click", show);
}

// Crops: hold one to see the original in its place.
for (const row of document.querySelectorAll(".tiles")) {
  const original = row.querySelector("img[data-original]");
  if (!original) continue;
  for (const image of row.querySelectorAll("img[data-output]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", image.alt + "; hold to see the original");
    image.replaceWith(button);
    button.append(image);
    const own = image.src;
    const swap = () => { image.src = original.src; };
    const back = () => { image.src = own; };
    button.addEventListener("pointerdown", swap);
    for (const kind of ["pointerup", "pointerleave", "pointercancel", "blur", "keyup"]) button.addEventListener(kind, back);
    button.addEventListener("keydown", (event) => {
      if (event.key === " " || event.key === "Enter") { event.preventDefault(); swap(); }
    });
    button.addEventListener("contextmenu", (event) => { if (event.pointerType === "touch") event.preventDefault(); });
  }
}

// Paper: nothing stays folded.
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details")) one.open = true;
});
