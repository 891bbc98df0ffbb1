// Lays the equalised photo over the photo while the look asks for it: what is shown first, then the parts that come.
// Until it is there the photo itself remains, and nothing waits.

import { boxes } from "./frames.js";

const KEPT = 4; // photos; one of 12 megapixels takes 48 MB
const AHEAD = 2; // parts, of each the photo that is shown first
const PHOTO = "figure:not([hidden]) [data-layers] > img:not([data-over], [data-equalised])";
const done = new Map(); // a photo's address -> its equalised picture, the last used at the end
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
    const picture = done.get(photo.src);
    if (!picture) continue;
    if (picture.previousElementSibling !== photo) photo.after(picture);
    picture.alt = photo.alt;
    done.delete(photo.src);
    done.set(photo.src, picture);
    laid.add(picture);
  }
  for (const picture of document.querySelectorAll("[data-equalised]")) if (!laid.has(picture)) picture.remove();
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

async function take({ url, picture }) {
  const image = picture && (await imageOf(picture));
  working = "";
  if (image) done.set(url, image);
  else failed.add(url);
  for (const [oldest, { src }] of [...done].slice(0, -KEPT)) {
    done.delete(oldest);
    URL.revokeObjectURL(src);
  }
  if (!image && shown().some(({ src }) => src === url)) {
    document.dispatchEvent(new CustomEvent("say", { detail: gettext("This photo cannot be equalised.") }));
  }
  show();
}

/** An image, not a canvas: a browser scales it down as well as it does the photo, and keeps thin lines whole. */
async function imageOf(picture) {
  const image = Object.assign(new Image(), { decoding: "sync", src: URL.createObjectURL(picture) });
  image.dataset.equalised = "";
  return image.decode().then(() => image, () => null);
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
