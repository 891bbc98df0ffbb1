// [data-training]: the place where a training's progress is renewed. Once it is over the page is loaded anew, for what
// came of it stands above.

for (const place of document.querySelectorAll("[data-training]")) {
  new MutationObserver(() => {
    if (place.querySelector("[data-over]")) location.reload();
  }).observe(place, { childList: true });
}
