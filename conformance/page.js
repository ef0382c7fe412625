"use strict";
// Searching, arrow keys, and opening what a link leads to. Everything else works without this.
document.documentElement.classList.add("scripted");
const search = document.getElementById("search");
const boxes = [...document.querySelectorAll("input[name=word]")];
const rows = [...document.querySelectorAll("#rules tr.rule")];
const texts = rows.map(row => row.querySelector("th").textContent.toLowerCase());
const words = rows.map(row => row.dataset.words.split(" "));

function filter() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = boxes.filter(box => box.checked).map(box => box.value);
  let found = 0;
  rows.forEach((row, i) => {
    const fits = wanted.every(word => texts[i].includes(word))
      && (!chosen.length || chosen.some(word => words[i].includes(word)));
    row.hidden = !fits;
    found += fits;
  });
  for (const body of document.querySelectorAll("#rules tbody")) {
    body.hidden = !body.querySelector("tr.rule:not([hidden])");
  }
  document.getElementById("found").textContent = `${found} of ${rows.length} rules`;
}
search.addEventListener("input", filter);
boxes.forEach(box => box.addEventListener("change", filter));
search.form.addEventListener("submit", event => event.preventDefault());

let from = null;
function open() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let outer = target.closest("details"); outer; outer = outer.parentElement.closest("details")) outer.open = true;
  target.focus({preventScroll: true});
  target.scrollIntoView({block: "start"});
}
addEventListener("hashchange", open);
document.addEventListener("click", event => {
  const link = event.target.closest("a[href^='#']");
  if (!link) return;
  if (link.closest("#rules")) from = link;
  if (link.classList.contains("back") && from) {
    event.preventDefault();
    history.replaceState(null, "", "#matrix");
    from.focus();
  } else if (link.hash === location.hash) {
    open();
  }
});

function beside(link, key) {
  const cell = link.closest("th, td"), row = cell.parentElement;
  if (key === "ArrowLeft" || key === "ArrowRight") {
    const links = [...row.querySelectorAll("a")];
    return links[links.indexOf(link) + (key === "ArrowLeft" ? -1 : 1)];
  }
  const shown = rows.filter(other => !other.hidden);
  for (let i = shown.indexOf(row), step = key === "ArrowUp" ? -1 : 1; shown[i += step];) {
    const next = shown[i].children[cell.cellIndex].querySelector("a");
    if (next) return next;
  }
  return null;
}
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const at = document.activeElement;
  if (event.key === "/" && !at.matches("input")) {
    event.preventDefault();
    search.focus();
  } else if (event.key === "Escape" && at === search) {
    search.value = "";
    filter();
  } else if (event.key.startsWith("Arrow") && at.matches("#rules a")) {
    const next = beside(at, event.key);
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }
});
filter();
open();
