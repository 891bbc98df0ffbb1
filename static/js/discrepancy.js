// The discrepancy desk's keys: P, M and A choose who was right and go to the reason, H hides and shows the heat map,
// N goes to the next open part; none of them when a scanner types. A click on a photo looks closer at that point of
// both, Z closes the look again. Without this module the page is an ordinary form.

import { unlessScanned } from "./typing.js";

const heat = document.querySelector("[data-heat]");
const heatSwitch = document.querySelector("[data-heat-switch]");

function toggleHeat() {
  if (!heat) return;
  heat.hidden = !heat.hidden;
  heatSwitch?.setAttribute("aria-pressed", String(!heat.hidden));
}

if (heatSwitch) {
  heatSwitch.hidden = false;
  heatSwitch.addEventListener("click", toggleHeat);
}

const photos = document.querySelector(".desk-photos");
const layers = document.querySelectorAll("[data-layers]");

for (const layer of layers) {
  layer.addEventListener("click", (event) => {
    if (!photos.classList.contains("zoomed")) {
      const box = layer.getBoundingClientRect();
      for (const each of layers) each.style.transformOrigin = `${event.clientX - box.left}px ${event.clientY - box.top}px`;
    }
    photos.classList.toggle("zoomed");
  });
}

function act(key) {
  if (key === "h") return toggleHeat();
  if (key === "z") return photos?.classList.remove("zoomed");
  const target = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  target?.click();
  if (target?.matches("input")) document.getElementById("reason").focus();
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=radio]), textarea, select");
  if (event.key === "Escape" && typing) event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.key.length > 1) return;
  unlessScanned(() => act(event.key.toLowerCase()));
});
