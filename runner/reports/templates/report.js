"use strict";
// The page can be read without this: it adds local times, filters, sorting and printing.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const clock = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "short"});
const calendar = new Intl.DateTimeFormat(undefined, {dateStyle: "medium"});

function showLocalTimes(root) {
  for (const time of all("time:not([title])", root)) {
    if (time.closest("details:not([open])")) continue;
    time.title = time.dateTime.replace("T", " ").replace("Z", " UTC");
    time.textContent = ("day" in time.dataset ? calendar : clock).format(new Date(time.dateTime));
  }
}

// Of more than a few models a panel is built when its line is opened: from the line's own `noscript`, in the page of a
// large run from the list at its end.
const shape = document.createElement("template");
let panels = null;

function panelOf(number) {
  panels ??= JSON.parse(document.getElementById("panels").textContent);
  return panels[number - 1] ?? "";
}

function build(details) {
  const panel = details.querySelector(".panel");
  const waiting = panel.querySelector("noscript");
  if (!details.open || !(waiting || (panel.matches(":empty") && document.getElementById("panels")))) return;
  shape.innerHTML = waiting ? waiting.textContent : panelOf(Number(panel.id.slice(1)));
  panel.replaceChildren(shape.content);
}

// Later lines and lanes stand in `noscript`, so that the page opens at once; here they join the first ones.
function buildMore() {
  for (const more of all("noscript[data-more]")) {
    const target = document.getElementById(more.dataset.more);
    shape.innerHTML = more.textContent;
    target.append(...all("tbody, .lane", shape.content));
    more.remove();
  }
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
  buildMore();
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

function textOf(row) {
  const words = [row.rows[0], row.querySelector("summary")].map((part) => part.textContent);
  const {owner = "", tags = ""} = row.dataset;
  return [...words, row.querySelector(".panel").dataset.policy, owner, tags].join(" ").toLowerCase();
}

const fieldOf = (button) => button.dataset.field ?? "outcome";
const valueOf = (button) => button.dataset.value ?? button.dataset.outcome;

function valuesOf(row, field) {
  return field === "tags" ? JSON.parse(row.dataset.tags ?? "[]") : [row.dataset[field]];
}

// What is searched for and pressed stands in the address, so that it can be sent on and is there again after Back.
function makeFilters(table, tools) {
  const find = document.getElementById("find");
  const toggles = all(".toggle", tools);
  const texts = new Map();
  const isPressed = (button) => button.getAttribute("aria-pressed") === "true";
  const show = () => {
    buildMore();
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = {outcome: [], owner: [], tags: []};
    for (const button of toggles.filter(isPressed)) chosen[fieldOf(button)].push(valueOf(button));
    const rows = [...table.tBodies];
    let count = 0;
    for (const row of rows) {
      if (words.length && !texts.has(row)) texts.set(row, textOf(row));
      const fits = Object.entries(chosen).every(([field, some]) => !some.length || some.some((value) => valuesOf(row, field).includes(value))) && words.every((word) => texts.get(row).includes(word));
      if (row.hidden === fits) row.hidden = !fits;
      count += fits;
    }
    document.getElementById("shown").textContent = `${count} of ${rows.length} shown`;
    document.getElementById("nothing").hidden = count > 0;
    return chosen;
  };
  const change = () => {
    const kept = new URLSearchParams(Object.entries({find: find.value.trim(), ...show()}).filter(([, value]) => value.length));
    history.replaceState(null, "", kept.size ? `#${kept}` : location.pathname + location.search);
  };
  const set = (kept) => {
    find.value = kept.get("find") ?? "";
    for (const button of toggles) {
      const values = (kept.get(fieldOf(button)) ?? "").split(",");
      button.setAttribute("aria-pressed", String(values.includes(valueOf(button))));
    }
  };
  for (const button of toggles) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(!isPressed(button)));
      change();
    });
  }
  find.addEventListener("input", change);
  find.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    set(new URLSearchParams());
    change();
  });
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.hidden = false;
  return (kept) => {
    set(kept);
    show();
  };
}

// `#m3` or `#model=churn` opens a line; `#find=auc&outcome=held` filters.
function follow(table, filter) {
  const kept = new URLSearchParams(location.hash.slice(1));
  if (["find", "outcome", "owner", "tags"].some((field) => kept.has(field))) {
    filter(kept);
    return;
  }
  if (!location.hash) {
    if (table.querySelector("tbody[hidden]")) filter(kept);
    return;
  }
  buildMore();
  const named = () => [...table.tBodies].find((row) => row.querySelector("th").textContent === kept.get("model"));
  const row = kept.has("model") ? named() : document.getElementById(location.hash.slice(1))?.closest("tbody");
  if (!row) return;
  if (row.hidden) filter(new URLSearchParams());
  const details = row.querySelector("details");
  details.open = true;
  build(details);
  row.scrollIntoView({block: "start"});
  row.querySelector("summary").focus({preventScroll: true});
}

// The arrows lead from one model to the next.
function step(event) {
  const forward = {ArrowDown: true, ArrowUp: false}[event.key];
  if (forward === undefined || !event.target.matches("summary")) return;
  const summaries = all("tbody:not([hidden]) summary", event.currentTarget);
  const next = summaries[summaries.indexOf(event.target) + (forward ? 1 : -1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function makeUnfoldButton(table) {
  const button = document.getElementById("unfold");
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(open));
    buildMore();
    for (const row of table.tBodies) if (!row.hidden) row.querySelector("details").open = open;
  });
}

// On paper all stands open but the models that want no person, or too many of them, and folds again afterwards.
function unfoldForPrint(table) {
  let opened = [];
  window.addEventListener("beforeprint", () => {
    buildMore();
    const rows = [...table.tBodies].filter((row) => !row.hidden && needsPerson.includes(row.dataset.outcome));
    const asked = rows.length > 30 ? [] : rows.map((row) => row.querySelector("details"));
    opened = [...all("#must-do details, #course details, .card > details, footer details"), ...asked].filter((part) => !part.open);
    for (const part of opened) {
      part.open = true;
      if (asked.includes(part)) build(part);
    }
  });
  window.addEventListener("afterprint", () => opened.forEach((part) => { part.open = false; }));
}

// The arguments of a command are not broken at their hyphens.
function keepArgumentsWhole(root) {
  for (const code of all("code:not(.digest, :has(span))", root)) {
    if (code.textContent.startsWith("retrain ")) {
      const parts = code.textContent.split(" ").flatMap((argument) => {
        const whole = document.createElement("span");
        whole.textContent = argument;
        return [" ", whole];
      });
      code.replaceChildren(...parts.slice(1));
    }
  }
}

// A command can be copied where the script runs; without it the text can be selected with one click.
function makeCopyButtons(root) {
  for (const command of all(".command:not(:has(button))", root)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    const code = command.querySelector("code");
    button.addEventListener("click", async () => {
      getSelection().selectAllChildren(code);
      try {
        await navigator.clipboard.writeText(code.textContent);
      } catch {
        document.execCommand("copy"); // where the clipboard is refused to a page from disk
      }
      button.textContent = "Copied";
    });
    command.append(button);
  }
}

const list = document.getElementById("list");
if (list) {
  makeSortable(list);
  makeUnfoldButton(list);
  unfoldForPrint(list);
  list.addEventListener("toggle", (event) => {
    build(event.target);
    makeCopyButtons(event.target);
    keepArgumentsWhole(event.target);
    showLocalTimes(event.target);
  }, true);
  list.addEventListener("keydown", step);
  const filter = makeFilters(list, document.getElementById("tools"));
  const arrive = () => follow(list, filter);
  window.addEventListener("hashchange", arrive);
  window.addEventListener("load", () => setTimeout(buildMore));
  arrive();
}
makeCopyButtons(document);
keepArgumentsWhole(document);
showLocalTimes(document);
document.getElementById("zone").textContent =
  `Times are in ${clock.resolvedOptions().timeZone}; each shows UTC under the pointer.`;
