// Fills a part into the room. The room itself stays: nothing moves between two parts and the focus is not lost.

const page = () => document.querySelector("[data-room-page]");
const put = (name, words) => {
  const place = document.querySelector(`[data-part-${name}]`);
  place.textContent = place.title = words;
  place.hidden = !words;
};
const copyOf = (name) => document.querySelector(`template[data-${name}-template]`).content.firstElementChild.cloneNode(true);

function viewOf(photo, image, number, serial) {
  const figure = copyOf("view");
  Object.assign(figure.dataset, { view: number, photo: photo.id, width: photo.width, height: photo.height });
  figure.hidden = number > 1;
  image.alt = interpolate(gettext("Part %(serial)s, view %(number)s"), { serial, number }, true);
  image.dataset.full = "";
  const layers = figure.querySelector("[data-layers]");
  if (!image.complete) layers.prepend(Object.assign(new Image(), { src: `${photo.url}preview/`, alt: "", decoding: "sync" }));
  const marks = figure.querySelector("[data-marks]");
  marks.setAttribute("viewBox", `0 0 ${photo.width} ${photo.height}`);
  marks.before(image);
  return figure;
}

function linkOf(photo, number) {
  const link = copyOf("strip");
  link.href = `?view=${number}`;
  link.dataset.viewLink = number;
  link.title = `${photo.view || gettext("View")} (${number})`;
  link.querySelector("img").src = `${photo.url}preview/`;
  link.querySelector("b").textContent = number;
  link.querySelector("[data-name]").textContent = photo.view;
  if (number === 1) link.setAttribute("aria-current", "true");
  return link;
}

/** Show a claim: its photos, its words, and its lease and number in every form. */
export function show(claim) {
  const { inspection: part, lease, images } = claim;
  delete page().dataset.empty;
  Object.assign(page().dataset, { part: part.id, views: part.photos.length });
  document.title = part.serial;
  put("serial", part.serial);
  put("lot", part.lot && interpolate(gettext("lot %s"), [part.lot]));
  put("variant", part.variant);
  put("station", part.station);
  document.querySelector("[data-strip]").replaceChildren(...part.photos.map((photo, index) => linkOf(photo, index + 1)));
  for (const old of document.querySelectorAll("[data-stage] [data-view]")) old.remove();
  const figures = part.photos.map((photo, index) => viewOf(photo, images[index], index + 1, part.serial));
  document.querySelector("[data-stage]").prepend(...figures);
  for (const form of document.querySelectorAll("form[data-path]")) {
    form.action = form.dataset.path.replace("/0/", `/${part.id}/`);
    form.elements.lease.value = lease.token;
  }
  const unsure = document.querySelector("[data-verdict] [value=unsure]");
  unsure.disabled = part.unsure_refused;
  unsure.title = part.unsure_refused ? unsure.dataset.refused : "";
  const { defects, comment } = document.querySelector("[data-verdict]").elements;
  defects.value = claim.defects ?? "[]";
  comment.value = claim.comment ?? "";
  const views = ngettext("%(serial)s, %(count)s view", "%(serial)s, %(count)s views", part.photos.length);
  const words = { serial: part.serial, count: part.photos.length };
  document.querySelector("[data-announce]").textContent = interpolate(views, words, true);
  document.dispatchEvent(new CustomEvent("part:shown", { detail: part }));
}

/** What was marked and written so far, kept with the part while another one is looked at. */
export function keep(claim) {
  const { defects, comment } = document.querySelector("[data-verdict]").elements;
  Object.assign(claim, { defects: defects.value, comment: comment.value });
}

/** No part is here: the next one is "coming", there is "none", the server is "unreachable" or knows nobody ("signed-out"). */
export function showNone(why) {
  if (page().dataset.empty === why) return;
  page().dataset.empty = why;
  delete page().dataset.part;
  document.title = page().dataset.lineName;
  for (const old of document.querySelectorAll("[data-stage] [data-view]")) old.remove();
  document.dispatchEvent(new CustomEvent("part:none"));
}
