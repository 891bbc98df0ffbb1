// The time for which a part was really looked at: it stands still while the room is paused or the page is out of sight.
// Pausing covers the photo and lets others have the parts that were held ahead.

const cover = document.querySelector("[data-pause]");
let counted = 0;
let since = performance.now();
let paused = false;
let lastMove = performance.now();

const runs = () => !paused && !document.hidden;
const stop = () => {
  counted += since === null ? 0 : performance.now() - since;
  since = null;
};
const go = () => (since = runs() ? performance.now() : null);

export const isPaused = () => paused;
export const milliseconds = () => Math.round(counted + (since === null ? 0 : performance.now() - since));
export const idleFor = () => performance.now() - lastMove;

function restart() {
  counted = 0;
  go();
}

function pause(on) {
  if (on === paused) return;
  stop();
  paused = on;
  go();
  if (on) cover.showModal();
  document.dispatchEvent(new CustomEvent(on ? "room:paused" : "room:resumed"));
}

for (const sign of ["pointermove", "pointerdown", "keydown", "wheel"]) {
  addEventListener(sign, () => (lastMove = performance.now()), { passive: true });
}
document.addEventListener("visibilitychange", () => (document.hidden ? stop() : go()));
document.addEventListener("part:shown", restart);
document.addEventListener("click", (event) => event.target.closest("[data-action=pause]") && pause(true));
cover.addEventListener("close", () => pause(false)); // by its button or by Escape
