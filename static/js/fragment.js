// [data-fragment]: a place on a page for what another part of the site serves; until it has come, or where it does not,
// the link that stands there serves instead.

import { piece } from "./api.js";

for (const place of document.querySelectorAll("[data-fragment]")) {
  const inside = await piece(place.dataset.fragment).catch(() => null);
  if (inside) place.replaceChildren(inside);
}
