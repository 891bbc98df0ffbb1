// What lies over the photo on the desk: marks and heat map, as this person last had them; and the arrows between photos.

import { keep, recall } from "./kept.js";
import { commands, inField } from "./typing.js";

const shown = { marks: recall("desk-marks", true), heat: recall("desk-heat", false) };
const LAYERS = { marks: "[data-over-marks]", heat: "[data-over-heat]" };

function show() {
  for (const [name, selector] of Object.entries(LAYERS)) {
    for (const layer of document.querySelectorAll(selector)) layer.toggleAttribute("hidden", !shown[name]);
    const button = document.querySelector(`[data-action="${name}"]`);
    button?.setAttribute("aria-pressed", String(shown[name]));
    button?.removeAttribute("hidden");
  }
  for (const map of document.querySelectorAll(`[data-view]:not([hidden]) ${LAYERS.heat}`)) map.loading = "eager";
  const position = document.querySelector("[data-view]:not([hidden])")?.dataset.position ?? "0";
  for (const field of document.querySelectorAll("[data-position-shown]")) field.value = position;
}

function toggle(name) {
  shown[name] = !shown[name];
  keep(`desk-${name}`, shown[name]);
  show();
}

function step(way) {
  const links = [...document.querySelectorAll("[data-view-link]")];
  links[links.findIndex((link) => link.hasAttribute("aria-current")) + way]?.click();
}

document.addEventListener("click", (event) => {
  const action = event.target.closest("[data-action]")?.dataset.action;
  if (action in LAYERS) {
    event.preventDefault(); // without this module the button is a link
    toggle(action);
  }
});
// The loupe takes the arrows while it is on, and a choice of radio buttons keeps its own.
document.addEventListener("keydown", (event) => {
  const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const elsewhere = event.defaultPrevented || commands(event) || event.shiftKey || inField(event);
  if (!way || elsewhere || event.target.matches("[type=radio], [type=range]") || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  step(way);
});
for (const change of ["part:shown", "view:shown"]) document.addEventListener(change, show);
show();
