// The views of the part: the filmstrip and the keys 1 to 8 change the photo without a new page.

function show(number) {
  for (const view of document.querySelectorAll("[data-view]")) {
    view.hidden = view.dataset.view !== number;
    if (!view.hidden) for (const image of view.querySelectorAll("img")) image.loading = "eager";
  }
  for (const link of document.querySelectorAll("[data-view-link]")) {
    if (link.dataset.viewLink === number) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  document.dispatchEvent(new CustomEvent("view:shown"));
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-view-link]");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  show(link.dataset.viewLink);
});

// The other views' photos come while the first is looked at.
function fetchOthers() {
  for (const image of document.querySelectorAll("[data-view][hidden] img")) image.loading = "eager";
}

const whenIdle = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 200));
document.addEventListener("part:shown", () => whenIdle(fetchOthers));
whenIdle(fetchOthers);
