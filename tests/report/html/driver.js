// Uses a page as a reader would, and leaves in the document what came of it.
"use strict";

const rgba = (color) => {
  const numbers = color.match(/-?[\d.]+/g).map(Number);
  const scale = color.startsWith("color(") ? 255 : 1;
  return [...numbers.slice(0, 3).map((one) => one * scale), numbers[3] ?? 1];
};

const over = (top, below) => top.slice(0, 3).map((one, k) => one * top[3] + below[k] * (1 - top[3]));

const backgroundOf = (element) => {
  const own = rgba(getComputedStyle(element).backgroundColor);
  return own[3] === 1 || !element.parentElement ? own : over(own, backgroundOf(element.parentElement));
};

const luminance = (color) => {
  const [r, g, b] = color.slice(0, 3).map((one) => {
    const share = one / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};

const contrast = (a, b) => {
  const [dark, light] = [luminance(a), luminance(b)].sort((one, other) => one - other);
  return (light + 0.05) / (dark + 0.05);
};

const leastContrast = () => {
  let least = { contrast: 21 };
  for (const element of document.querySelectorAll("main *")) {
    const shown = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!shown || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const color = element instanceof SVGElement ? style.fill : style.color;
    const found = contrast(rgba(color), backgroundOf(element));
    if (found < least.contrast) least = { contrast: found, text: element.textContent, color };
  }
  return least;
};

const column = (table, number) => [...table.tBodies[0].rows].map((row) => row.cells[number].textContent);

const drive = () => {
  document.querySelectorAll("details").forEach((one) => (one.open = true));
  const found = {
    background: getComputedStyle(document.documentElement).backgroundColor,
    contrast: leastContrast(),
    wider: document.documentElement.scrollWidth > innerWidth,
  };
  const table = document.querySelector("table.sortable");
  const head = (title) => [...table.tHead.rows[0].cells].find((cell) => cell.textContent === title);
  found.before = column(table, 2);
  head(document.body.dataset.sort).querySelector("button").click();
  found.ascending = column(table, 2);
  found.aria = head(document.body.dataset.sort).getAttribute("aria-sort");
  head(document.body.dataset.sort).querySelector("button").click();
  found.descending = column(table, 2);
  const search = document.querySelector("input[type=search]");
  if (search) {
    search.value = document.body.dataset.search;
    search.dispatchEvent(new Event("input", { bubbles: true }));
    found.filtered = [...table.tBodies[0].rows].filter((row) => !row.hidden).length;
  }
  const svg = document.querySelector("svg[data-grid]");
  if (svg) {
    const press = (key) => svg.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    const readout = () => svg.closest(".maps").querySelector(".readout").textContent;
    svg.focus();
    found.focused = readout();
    ["ArrowRight", "ArrowRight", "ArrowDown"].forEach(press);
    found.moved = readout();
    const box = svg.getBoundingClientRect();
    svg.dispatchEvent(new PointerEvent("pointermove", { clientX: box.right - 2, clientY: box.bottom - 2 }));
    found.pointed = readout();
  }
  found.buttons = [...document.querySelectorAll(".command button")].map((button) => button.textContent);
  document.body.append(Object.assign(document.createElement("output"), { id: "found", textContent: JSON.stringify(found) }));
};

drive();
