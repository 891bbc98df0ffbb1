// The samples beside the photo: opened and closed, which is kept from part to part, and the next one by key. Those that
// are of the part's variant and of the shown view come first. Zoom and look are the photo's own, see frames.js.

import { remeasure } from "./frames.js";
import { keep, recall } from "./kept.js";

const room = document.querySelector("[data-room-page]");
const panel = document.querySelector("[data-samples]");
const samples = [...panel.querySelectorAll("[data-sample]")];
let order = [];
let at = 0;

const words = (selector) => document.querySelector(selector)?.textContent.trim().toLowerCase() ?? "";

// 2: made for it, 1: for any, 0: for another.
const fit = (asked, ...told) => (told[0] ? 2 * told.includes(asked) : 1);

function inOrder() {
  const variant = words("[data-part-variant]");
  const view = words("[data-view-link][aria-current] [data-name]");
  const rank = ({ dataset: { variant: slug, variantName, side } }) => 3 * fit(variant, slug, variantName) + fit(view, side);
  return [...samples].sort((one, other) => rank(other) - rank(one));
}

/** A sample stays from part to part as long as the order stays; another order begins with its best. */
function arrange() {
  const next = inOrder();
  if (next.some((sample, index) => sample !== order[index])) at = 0;
  order = next;
  show();
}

function show() {
  if (!order.length || panel.hidden) return;
  panel.querySelector("[data-sample-count]").textContent = interpolate(gettext("%s of %s"), [at + 1, order.length]);
  if (!order[at].hidden) return; // it stands there already
  for (const sample of samples) sample.hidden = sample !== order[at];
  for (const sample of [order[at], order[(at + 1) % order.length]]) {
    for (const image of sample.querySelectorAll("img")) image.loading = "eager"; // the next one is fetched ahead
  }
  remeasure(); // its size may be another
}

function showNext() {
  if (!order.length || panel.hidden) return;
  at = (at + 1) % order.length;
  show();
  panel.querySelector("[data-sample-said]").textContent = order[at].querySelector("figcaption").textContent;
}

function open(on) {
  panel.hidden = !on;
  room.toggleAttribute("data-comparing", on);
  for (const button of document.querySelectorAll("[data-action=reference]")) button.setAttribute("aria-pressed", String(on));
  show();
}

document.addEventListener("click", (event) => {
  const action = event.target.closest("[data-action]")?.dataset.action;
  if (action === "samples") showNext();
  if (action !== "reference") return;
  open(panel.hidden);
  keep("reference", !panel.hidden);
});
document.addEventListener("part:shown", arrange);
document.addEventListener("view:shown", arrange);
arrange();
open(recall("reference", false));
