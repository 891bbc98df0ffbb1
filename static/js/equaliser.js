// Lays the equalised photo over the photo while the look asks for it: what is shown first, then the parts that come.
// Until it is there the photo itself remains, and nothing waits.

import { boxes } from "./frames.js";

const KEPT = 4; // photos; one of 12 megapixels takes 48 MB
const AHEAD = 2; // parts, of each the photo that is shown first
const PHOTO = "figure:not([hidden]) [data-layers] > img:not([data-over])";
const done = new Map(); // a photo's address -> its canvas, the last used at the end
const failed = new Set();
let coming = [];
let worker;
let working = "";
let on = false;

/** The photos that are shown now, in the stage and beside it: of each the whole one, which lies over its preview. */
const shown = () => boxes().map((box) => [...box.querySelectorAll(PHOTO)].at(-1)).filter(Boolean);

function lay() {
  const laid = new Set();
  for (const photo of on ? shown() : []) {
    const canvas = done.get(photo.src);
    if (!canvas) continue;
    if (canvas.previousElementSibling !== photo) photo.after(canvas);
    done.delete(photo.src);
    done.set(photo.src, canvas);
    laid.add(canvas);
  }
  for (const canvas of document.querySelectorAll("[data-equalised]")) if (!laid.has(canvas)) canvas.remove();
  document.dispatchEvent(new CustomEvent("photo:drawn"));
}

function work() {
  if (!on || working) return;
  const wanted = [...shown().map(({ src }) => src), ...coming].find((url) => !done.has(url) && !failed.has(url));
  if (!wanted) return;
  worker ??= begun();
  working = wanted;
  worker.postMessage(wanted);
}

function begun() {
  const beginning = new Worker(new URL("equalise-worker.js", import.meta.url), { type: "module" });
  beginning.addEventListener("message", ({ data }) => take(data));
  beginning.addEventListener("error", () => take({ url: working }));
  return beginning;
}

function take({ url, picture }) {
  working = "";
  if (picture) done.set(url, canvasOf(picture));
  else failed.add(url);
  for (const oldest of [...done.keys()].slice(0, -KEPT)) done.delete(oldest);
  if (!picture && shown().some(({ src }) => src === url)) {
    document.dispatchEvent(new CustomEvent("say", { detail: gettext("This photo cannot be equalised.") }));
  }
  show();
}

function canvasOf(picture) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: picture.width, height: picture.height });
  canvas.dataset.equalised = "";
  canvas.getContext("bitmaprenderer").transferFromImageBitmap(picture);
  return canvas;
}

function show() {
  lay();
  work();
}

document.addEventListener("look:shown", ({ detail: { equalise } }) => {
  on = equalise;
  show();
});
document.addEventListener("part:ahead", ({ detail: { photos } }) => {
  coming = [...coming, new URL(photos[0].url, location).href].slice(-AHEAD);
  work();
});
for (const change of ["view:shown", "boxes:changed"]) document.addEventListener(change, () => on && show());
