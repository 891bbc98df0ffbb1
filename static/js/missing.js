// A photo that cannot be loaded says so where it would be: the part can still be judged later, and nothing of it is lost.

const viewOf = (image) => image.matches?.("img[data-full]") && image.closest("[data-view]");

function tell({ target }) {
  const view = viewOf(target);
  if (view) view.dataset.missing = gettext("This photo cannot be shown now. Load the page again in a moment, or skip the part.");
}

document.addEventListener("error", tell, true);
document.addEventListener("load", ({ target }) => viewOf(target) && delete viewOf(target).dataset.missing, true);
// Those that failed before this was loaded.
for (const target of document.querySelectorAll("[data-view]:not([hidden]) img[data-full]")) {
  if (target.complete && !target.naturalWidth) tell({ target });
}
