// Whether the photo that is to be judged is really here. One that does not load says so, and can be asked for again.

const shown = () => document.querySelector("[data-view]:not([hidden]) img[data-full]");
const panel = document.querySelector("[data-photo-missing]");

export function isPainted() {
  const photo = shown();
  return Boolean(photo?.complete && photo.naturalWidth);
}

function look() {
  const photo = shown();
  panel.hidden = !photo || !photo.complete || Boolean(photo.naturalWidth);
}

// Neither event bubbles; they are heard on their way down.
for (const event of ["load", "error"]) document.addEventListener(event, look, { capture: true });
for (const event of ["part:shown", "part:none", "view:shown"]) document.addEventListener(event, look);
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-load-again]")) return;
  const photo = shown();
  photo.src = `${photo.src.split("?")[0]}?again=${Date.now()}`;
  panel.hidden = true;
});
