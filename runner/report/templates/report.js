"use strict";
// The page can be read without this: it adds local times, filters, sorting and printing.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const clock = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "medium"});

function showLocalTimes(root) {
  for (const time of all("time:not([title])", root)) {
    if (time.closest("details:not([open])")) continue;
    time.title = time.textContent;
    time.textContent = clock.format(new Date(time.dateTime));
  }
}

// In the page of a large run what is folded stands in `noscript`, so that the page opens at once: here it is built.
function build(details) {
  const folded = details.open && details.querySelector("noscript");
  if (!folded) return;
  const shape = document.createElement("template");
  shape.innerHTML = folded.textContent;
  folded.replaceWith(shape.content);
}

function unfoldTarget() {
  const target = document.getElementById(location.hash.slice(1));
  const details = target && target.closest("details");
  if (!details) return;
  details.open = true;
  details.closest("tbody").scrollIntoView({block: "start"});
}

function cellKey(row, column, isNumber) {
  const cell = row.rows[0].cells[column];
  if (!isNumber) return cell.textContent.trim();
  return "key" in cell.dataset ? Number(cell.dataset.key) : null;
}

function compare(one, other) {
  if (one === null || other === null) return 0;
  return typeof one === "number" ? one - other : one.localeCompare(other, undefined, {numeric: true});
}

function sortBy(table, header) {
  const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const column = Number(header.dataset.column);
  const keyed = [...table.tBodies].map((row) => [cellKey(row, column, "number" in header.dataset), row]);
  const empty = ([key]) => key === null || key === "";
  keyed.sort((one, other) => empty(one) - empty(other) || direction * compare(one[0], other[0]));
  for (const other of all("th[aria-sort]", table.tHead)) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  table.append(...keyed.map(([, row]) => row));
}

function makeSortable(table) {
  for (const header of all("th", table.tHead)) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sortBy(table, header));
    header.append(button);
  }
}

function makeFilters(table, tools) {
  const find = document.getElementById("find");
  const toggles = all(".toggle", tools);
  const lines = [...table.tBodies].map((row) => {
    const words = [row.rows[0], row.querySelector("summary")].map((part) => part.textContent);
    return {row, text: [...words, row.querySelector(".panel").dataset.policy].join(" ").toLowerCase()};
  });
  const refresh = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const pressed = toggles.filter((one) => one.getAttribute("aria-pressed") === "true");
    const outcomes = new Set(pressed.map((one) => one.dataset.outcome));
    let count = 0;
    for (const {row, text} of lines) {
      const fits = (!outcomes.size || outcomes.has(row.dataset.outcome)) && words.every((word) => text.includes(word));
      row.hidden = !fits;
      count += fits;
    }
    document.getElementById("shown").textContent = `${count} of ${lines.length} shown`;
    document.getElementById("nothing").hidden = count > 0;
  };
  const press = (button) => {
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    refresh();
  };
  for (const button of toggles) button.addEventListener("click", () => press(button));
  find.addEventListener("input", refresh);
  find.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    find.value = "";
    for (const button of toggles) button.setAttribute("aria-pressed", "false");
    refresh();
  });
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.hidden = false;
  refresh();
}

function makeUnfoldButton(table) {
  const button = document.getElementById("unfold");
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(open));
    for (const row of table.tBodies) if (!row.hidden) row.querySelector("details").open = open;
  });
}

// On paper the models that want a person stand open, if they are not too many, and fold again afterwards.
function unfoldForPrint(table) {
  const wanted = ["unknown", "failed", "held", "awaiting_approval"];
  let opened = [];
  window.addEventListener("beforeprint", () => {
    const rows = [...table.tBodies].filter((row) => !row.hidden && wanted.includes(row.dataset.outcome));
    opened = rows.length > 30 ? [] : rows.map((row) => row.querySelector("details")).filter((one) => !one.open);
    for (const one of opened) {
      one.open = true;
      build(one);
    }
  });
  window.addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));
}

const list = document.getElementById("list");
for (const details of all("details[open]")) build(details);
if (list) {
  makeSortable(list);
  makeFilters(list, document.getElementById("tools"));
  makeUnfoldButton(list);
  unfoldForPrint(list);
  list.addEventListener("toggle", (event) => {
    build(event.target);
    showLocalTimes(event.target);
  }, true);
}
showLocalTimes(document);
document.getElementById("zone").textContent =
  `Times are in ${clock.resolvedOptions().timeZone}; each shows UTC under the pointer.`;
window.addEventListener("hashchange", unfoldTarget);
unfoldTarget();
