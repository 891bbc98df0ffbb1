// The gallery by keys: arrows move from part to part, Enter opens, X chooses; P, M or A say what the chosen ones were
// found to be and go to the reason. Enter with nothing in hand begins with the first open one.

import { commands, inField, unlessScanned } from "./typing.js";

const form = document.querySelector("[data-gallery]");
const cards = () => [...document.querySelectorAll("[data-card]")];
const FINDINGS = { p: "person", m: "model", a: "ambiguous" };

/** The place that an arrow leads to. A row is as long as the cards whose tops lie where the first one's does. */
function place(key, from, all) {
  const row = all.filter((card) => card.offsetTop === all[0].offsetTop).length;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row };
  if (key === "Home") return 0;
  if (key === "End") return all.length - 1;
  if (!(key in steps)) return null;
  if (from < 0) return 0;
  const to = from + steps[key];
  return to >= 0 && to < all.length ? to : from;
}

function count() {
  const output = document.querySelector("[data-chosen]");
  const n = form.querySelectorAll("[name=pick]:checked").length;
  output.dataset.none ??= output.textContent;
  output.textContent = n ? output.dataset.words.replace("%s", n) : output.dataset.none;
  form.dataset.gallery = n ? "choosing" : "looking";
}

function act(key) {
  const box = document.activeElement.closest("[data-card]")?.querySelector("[name=pick]");
  if (key === "x" && box) box.click();
  const finding = FINDINGS[key] && form.querySelector("[name=pick]:checked") && form.querySelector(`[name=finding][value=${FINDINGS[key]}]`);
  if (!finding) return;
  finding.checked = true;
  form.elements.reason.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || commands(event) || inField(event) || event.target.matches("[type=radio], summary")) return;
  const all = cards();
  const to = all.length ? place(event.key, all.indexOf(document.activeElement.closest("[data-card]")), all) : null;
  if (to !== null) {
    event.preventDefault();
    all[to].querySelector("[data-open]").focus();
    all[to].scrollIntoView({ block: "nearest" });
  } else if (event.key === "Enter" && event.target === document.body) {
    document.querySelector("[data-start]")?.click();
  } else if (form && event.key.length === 1) {
    unlessScanned(() => act(event.key.toLowerCase()));
  }
});
form?.addEventListener("change", (event) => event.target.name === "pick" && count());
if (form) count();
