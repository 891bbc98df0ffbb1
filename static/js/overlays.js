// What lies over the photo on the desk: marks and heat map, as this person last had them; and the arrows between photos.

import { keep, recall } from "./kept.js";

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
  if (action === "view_back") step(-1);
  if (action === "view_on") step(1);
});
for (const change of ["part:shown", "view:shown"]) document.addEventListener(change, show);
show();
