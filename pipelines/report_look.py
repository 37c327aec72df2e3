"""What the page of verdicts looks like, and how its rows are sorted, filtered and searched."""

from typing import Final

__all__ = ["SCRIPT", "STYLE"]

STYLE: Final = """
:root { --fake: #b03a00; --uncertain: #755800; --real: #0b62a4; --kind: var(--soft); }
@media screen and (prefers-color-scheme: dark) { :root { --fake: #ff9a5c; --uncertain: #e8c650; --real: #6cb8f0; } }
.fake { --kind: var(--fake); }
.uncertain { --kind: var(--uncertain); }
.real { --kind: var(--real); }
[hidden] { display: none !important; }
#totals dl { display: flex; flex-wrap: wrap; gap: .75rem; margin: 0; }
#totals div { background: var(--bed); border-left: .35rem solid var(--kind); padding: .4rem .9rem; min-width: 5rem; }
#totals dt { font-weight: 600; }
#totals dd { margin: 0; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
form { display: flex; flex-wrap: wrap; gap: 1rem; align-items: end; }
fieldset { border: 1px solid var(--line); margin: 0; padding: .2rem .8rem .5rem; min-width: 0; }
fieldset label { display: inline-flex; align-items: center; margin-right: 1rem; padding: .2rem 0; }
input, button { font: inherit; color: var(--fore); }
input[type=checkbox] { width: 1.2rem; height: 1.2rem; margin: 0 .35rem 0 0; }
input[type=search] { display: block; box-sizing: border-box; width: 20rem; max-width: 100%; padding: .4rem .5rem;
  background: var(--back); border: 1px solid var(--soft); border-radius: .25rem; }
button { background: var(--bed); border: 1px solid var(--soft); border-radius: .25rem; padding: .4rem .8rem; }
.rows, .rows thead, .rows tbody { display: block; }
.rows tr { display: grid; grid-template-columns: 6rem 6rem 7rem minmax(0, 5fr) minmax(0, 3fr); gap: 0 1.2rem;
  padding: .6rem .2rem; border-bottom: 1px solid var(--line); }
.rows tbody tr { content-visibility: auto; contain-intrinsic-size: auto 7.3rem; min-height: 6rem; }
.rows th, .rows td { border: 0; padding: 0; overflow-wrap: anywhere; font-weight: 400; }
.rows thead { position: sticky; top: 0; z-index: 1; background: var(--back); }
.rows thead th { font-weight: 600; }
.rows thead button { background: none; border: 0; padding: 0; font-weight: 600; text-align: left; cursor: pointer;
  text-decoration: underline dotted; min-height: 1.6rem; }
th[aria-sort=ascending] button::after { content: " \\25b2" / ""; }
th[aria-sort=descending] button::after { content: " \\25bc" / ""; }
.rows img { display: block; max-width: 6rem; height: auto; }
.rows td.none { color: var(--soft); font-size: .8rem; }
.rows td.verdict { color: var(--kind); font-weight: 700; }
td.chance { font-variant-numeric: tabular-nums; }
td.chance svg { display: block; width: 100%; max-width: 7rem; height: .5rem; background: var(--bed);
  outline: 1px solid var(--line); }
td.chance rect { fill: var(--kind); }
.rows small { display: block; white-space: normal; color: var(--soft); }
.rows .digest { font-size: .7rem; }
#meaning ul { padding-left: 1.2rem; }
td.why ul { margin: .2rem 0 0; padding-left: 1.1rem; }
@media (max-width: 46rem) {
  fieldset, form > label { width: 100%; box-sizing: border-box; }
  fieldset label, .rows thead button { min-height: 2.75rem; }
  button { min-height: 2.75rem; }
  input[type=search] { width: 100%; min-height: 2.75rem; }
  .rows thead { position: static; }
  .rows thead tr { display: flex; flex-wrap: wrap; align-items: center; }
  .rows thead th:not(:has(button:not([hidden]))) { position: absolute; left: -100rem; }
  .rows tbody tr { grid-template-columns: 6rem minmax(0, 1fr); gap: .2rem .9rem; contain-intrinsic-size: auto 12rem; }
  .rows .preview { grid-row: 1 / span 4; }
  .rows .path, .rows .why { grid-column: 2; }
}
@media print {
  form, #shown { display: none; }
  .rows thead { position: static; }
  .rows tbody tr { content-visibility: visible; break-inside: avoid; }
}
"""
"""Rules beside those of every page. Rows that are not on the screen are not laid out, so that thousands open."""

SCRIPT: Final = """
"use strict";
const table = document.getElementById("verdicts");
const form = document.getElementById("find");
const search = document.getElementById("search");
const shown = document.getElementById("shown");
const boxes = [...form.querySelectorAll("input[type=checkbox]")];
const heads = [...table.querySelectorAll("th[data-key]")];
const collator = new Intl.Collator("en", { numeric: true });
const ranks = new Map(boxes.map((box, rank) => [box.value, rank]));
const number = new Intl.NumberFormat("en");

const rows = [...table.tBodies[0].rows].map((element) => ({
  element,
  verdict: element.className,
  rank: ranks.get(element.className),
  chance: element.dataset.chance === undefined ? NaN : Number(element.dataset.chance),
  path: element.querySelector(".path bdi").textContent,
  text: element.querySelector(".path").textContent.toLowerCase(),
}));

const orders = {
  verdict: (a, b) => a.rank - b.rank,
  chance: (a, b) => a.chance - b.chance,
  path: (a, b) => collator.compare(a.path, b.path),
};

function say() {
  const count = rows.filter((row) => !row.element.hidden).length;
  const sorted = heads.find((head) => head.hasAttribute("aria-sort"));
  const order = `sorted by ${sorted.dataset.key === "chance" ? "probability" : sorted.dataset.key}`;
  const none = count || !rows.length ? "" : "; no row fits the search and the verdicts chosen";
  shown.textContent = `${number.format(count)} of ${number.format(rows.length)} rows shown, ${order}, ` +
    `${sorted.getAttribute("aria-sort")}${none}`;
}

function filter() {
  const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  const sought = search.value.trim().toLowerCase();
  for (const row of rows) row.element.hidden = !wanted.has(row.verdict) || !row.text.includes(sought);
  say();
}

function sort(head) {
  const first = head.dataset.first;
  const other = first === "ascending" ? "descending" : "ascending";
  const direction = head.getAttribute("aria-sort") === first ? other : first;
  for (const each of heads) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
  const key = head.dataset.key;
  const sign = direction === "ascending" ? 1 : -1;
  const last = (row) => key === "chance" && Number.isNaN(row.chance);
  const ordered = [...rows].sort((a, b) => (last(a) || last(b) ? last(a) - last(b) : sign * orders[key](a, b)));
  const all = document.createDocumentFragment();
  for (const row of ordered) all.append(row.element);
  table.tBodies[0].append(all);
  say();
}

for (const head of heads) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  button.addEventListener("click", () => sort(head));
  head.replaceChildren(button);
}
search.addEventListener("input", filter);
form.addEventListener("change", filter);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(filter));
form.hidden = false;
filter();
"""
"""Runs at the end of the page. Without it all rows are there, the most probable fakes first."""
