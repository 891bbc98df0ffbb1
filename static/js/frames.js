// The boxes that show a photo, the stage and the reference beside it, and the size of what they show. Measured when one
// of them changes and never while the photo moves: reading a size makes the browser lay out the page at once.

import { frameOf } from "./zoom.js";

const ALL = "[data-stage], [data-reference]";
export const frames = new Map(); // element -> frame
const seen = new WeakSet();
const watch = new ResizeObserver(() => remeasure());

export const stage = () => document.querySelector("[data-stage]");
export const boxes = () => [...document.querySelectorAll(ALL)];
export const boxOf = (event) => event.target.closest?.(ALL);

const shown = (element) => !element.closest("[hidden]");

function photoOf(element) {
  const told = [...element.querySelectorAll("[data-width]")].find(shown);
  if (told) return { width: Number(told.dataset.width), height: Number(told.dataset.height) };
  const image = [...element.querySelectorAll("img")].find((each) => each.naturalWidth && shown(each));
  return image && { width: image.naturalWidth, height: image.naturalHeight };
}

// The photo is laid out in its own pixels and fitted by a transform: only so is 1:1 exact.
function lay(element, { photo, fit, x, y }) {
  const lengths = { "--photo-width": photo.width, "--photo-height": photo.height, "--fit-x": x, "--fit-y": y };
  for (const [name, length] of Object.entries(lengths)) element.style.setProperty(name, `${length}px`);
  element.style.setProperty("--fit", fit);
  element.classList.add("fitted");
}

export function measure() {
  frames.clear();
  for (const element of boxes()) {
    if (!seen.has(element)) watch.observe(element);
    seen.add(element);
    const box = element.getBoundingClientRect();
    const photo = photoOf(element);
    if (!box.width || !photo) continue;
    frames.set(element, frameOf(box, photo));
    lay(element, frames.get(element));
    for (const image of element.querySelectorAll("[data-layers] > img + img:not([data-equalised])")) if (shown(image)) uncover(image);
  }
}

// A preview under its whole photo would be painted with it in every frame.
function uncover(image) {
  const preview = image.previousElementSibling;
  if (preview?.matches("img")) image.decode().then(() => preview.remove(), () => {});
}

/** Measure again, and tell those who draw: another size of photo stands in a box, too. */
export function remeasure() {
  measure();
  document.dispatchEvent(new CustomEvent("boxes:changed"));
}
addEventListener("resize", remeasure);
document.addEventListener("load", (event) => event.target.matches?.("img") && boxOf(event) && remeasure(), true);
