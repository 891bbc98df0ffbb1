// What may stand beside the photo is asked for when the photo stands, in the same way for every part. 204: nothing.
// What the answer keeps in data-overlays is laid over the views that it speaks of; its own button shows or hides maps.

import { piece } from "./api.js";

const mapsButton = () => document.querySelector("[data-aside] [data-heat-map]");

let asking;

async function ask() {
  const place = document.querySelector("[data-aside]");
  const { part, again } = document.querySelector("[data-room-page]").dataset;
  asking?.abort(); // another part stands here by now
  asking = new AbortController();
  place?.replaceChildren();
  if (!place?.dataset.path || !part || again) return;
  await painted(document.querySelector("[data-view]:not([hidden]) img[data-full]"));
  const { signal } = asking;
  const inside = await piece(place.dataset.path.replace("/0/", `/${part}/`), { signal }).catch(() => null);
  if (!inside || signal.aborted) return;
  for (const over of inside.querySelectorAll("[data-overlays] [data-over]")) {
    document.querySelector(`[data-view="${over.dataset.over}"] [data-layers]`)?.append(over);
  }
  place.replaceChildren(inside);
  document.dispatchEvent(new CustomEvent("aside:shown"));
}

async function painted(photo) {
  await photo.decode().catch(() => {});
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}

function toggleMaps() {
  const show = mapsButton().getAttribute("aria-pressed") !== "true";
  mapsButton().setAttribute("aria-pressed", String(show));
  for (const map of document.querySelectorAll("[data-layers] img[data-over]")) map.hidden = !show;
}

document.addEventListener("click", (event) => event.target.closest("[data-heat-map]") && toggleMaps());
document.addEventListener("part:shown", ask);
document.addEventListener("part:none", ask);
