// [data-fragment]: a place on a page for what another part of the site serves; until it has come, or where it does not,
// what stands there serves instead. data-every="5": what stands there is asked for again every so many seconds, while
// the page is looked at and nothing in the place is in use.

import { piece } from "./api.js";

async function renew(place) {
  const inside = await piece(place.dataset.fragment).catch(() => null);
  if (inside && !place.contains(document.activeElement)) place.replaceChildren(inside);
}

async function again(place, wait) {
  if (!document.hidden) await renew(place);
  setTimeout(again, wait, place, wait);
}

for (const place of document.querySelectorAll("[data-fragment]")) {
  const wait = 1000 * Number(place.dataset.every ?? 0);
  if (wait) setTimeout(again, wait, place, wait);
  else renew(place);
}
