// Adds to a page that is complete without it: sorting, filtering, the values behind heat maps, and buttons that copy.
"use strict";

const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

// Sorting

const sortKey = (row, column) => {
  const cell = row.cells[column];
  const value = cell.dataset.value;
  return value === undefined ? cell.textContent : ["nan", "inf"].includes(value) ? Infinity : Number(value);
};

const compare = (a, b) =>
  typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });

const makeSortable = (table) => {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = make("button", { type: "button", textContent: head.textContent });
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].map((row) => [sortKey(row, column), row]);
      rows.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
    head.replaceChildren(button);
  });
};

// Filtering

const makeFilter = (table) => {
  const rows = [...table.tBodies[0].rows];
  if (rows.length < 8) return;
  const verdicts = [...new Set(rows.flatMap((row) => [...row.querySelectorAll(".badge")].map((one) => one.textContent)))];
  const search = make("input", { type: "search", placeholder: "filter", ariaLabel: "filter the rows" });
  const count = make("output");
  const boxes = verdicts.map((verdict) => make("input", { type: "checkbox", checked: true, value: verdict }));
  const update = () => {
    const wanted = search.value.toLowerCase();
    const kept = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    for (const row of rows) {
      const badges = [...row.querySelectorAll(".badge")];
      const fits = !badges.length || badges.some((badge) => kept.has(badge.textContent));
      row.hidden = !(fits && row.textContent.toLowerCase().includes(wanted));
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length}`;
  };
  const labels = boxes.map((box) => make("label", { className: box.value.toLowerCase() }, box, box.value));
  const filter = make("div", { className: "filter" }, search, ...(labels.length > 1 ? labels : []), count);
  filter.addEventListener("input", update);
  update();
  table.parentElement.before(filter);
};

// Heat maps

const indexOf = (flat, shape) => {
  const index = [];
  for (const size of [...shape].reverse()) {
    index.unshift(flat % size);
    flat = Math.floor(flat / size);
  }
  return index.join(", ");
};

const readMap = (svg) => {
  const numbers = (name) => svg.dataset[name].split(" ").map(Number);
  const [down, across, rows, columns] = numbers("grid");
  const analytic = svg.dataset.analytic.split(" ");
  const numeric = svg.dataset.numeric.split(" ");
  const error = svg.dataset.error.split(" ");
  const at = svg.dataset.at ? numbers("at") : analytic.map((_, k) => k);
  const shape = numbers("shape");
  const gap = Number(svg.dataset.gap);
  let values = 0;
  const position = at.map((flat) => (flat < 0 ? -1 : values++)); // of the values of a cell: there are none of a gap
  const cellAt = (y, x) => {
    if (y < 0 || x < 0 || y >= down * rows || x >= across * columns) return -1;
    const tile = Math.floor(y / rows) * across + Math.floor(x / columns);
    const cell = (tile * rows + (y % rows)) * columns + (x % columns);
    return cell < at.length && at[cell] >= 0 ? cell : -1;
  };
  const describe = (cell) => {
    const k = position[cell];
    return `${svg.dataset.name}[${indexOf(at[cell], shape)}]  analytic ${analytic[k]}  numeric ${numeric[k]}  error ${error[k]}`;
  };
  return { down, across, rows, columns, gap, cellAt, describe };
};

const makeReadable = (svg) => {
  const map = readMap(svg);
  const group = svg.closest(".maps");
  const readout = group.querySelector(".readout") ?? group.appendChild(make("output", { className: "readout" }));
  const cursor = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  cursor.classList.add("cursor");
  cursor.setAttribute("width", "1");
  cursor.setAttribute("height", "1");
  let at = [0, 0];
  const show = (y, x) => {
    const cell = map.cellAt(y, x);
    if (cell < 0) return;
    at = [y, x];
    cursor.setAttribute("x", x + Math.floor(x / map.columns) * map.gap);
    cursor.setAttribute("y", y + Math.floor(y / map.rows) * map.gap);
    svg.append(cursor);
    readout.textContent = map.describe(cell);
  };
  const hide = () => {
    cursor.remove();
    readout.textContent = "";
  };
  svg.addEventListener("pointermove", (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const locate = (value, size) => {
      const tile = Math.floor(value / (size + map.gap));
      return tile * size + Math.min(size - 1, Math.floor(value - tile * (size + map.gap)));
    };
    show(locate(point.y, map.rows), locate(point.x, map.columns));
  });
  svg.addEventListener("pointerleave", () => document.activeElement === svg || hide());
  svg.addEventListener("focus", () => show(...at));
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    show(at[0] + move[0], at[1] + move[1]);
  });
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("role", "application");
  svg.setAttribute("aria-roledescription", "heat map");
};

// Commands

const copy = async (code, button) => {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
};

const addCopyButton = (command) => {
  const code = command.querySelector("code");
  const button = make("button", { type: "button", textContent: "Copy", ariaLive: "polite" });
  button.addEventListener("click", () => copy(code, button));
  command.append(button);
};

// What is folded is opened where a link leads to it, and for the printer

const openTarget = () => {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (target) {
    target.querySelectorAll(":scope > .folded").forEach((one) => (one.open = true));
    target.scrollIntoView();
  }
};

document.querySelectorAll("table.sortable").forEach((table) => {
  makeFilter(table);
  makeSortable(table);
});
document.querySelectorAll("svg[data-grid]").forEach(makeReadable);
document.querySelectorAll(".command").forEach(addCopyButton);
addEventListener("hashchange", openTarget);
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));
openTarget();
