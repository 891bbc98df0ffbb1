// The photo: zoom where the pointer is, and moving, by wheel, pointer, fingers and keys.

const root = document.documentElement;
const MAX_ZOOM = 16;
const state = { zoom: 1, x: 0, y: 0 };
const stage = () => document.querySelector("[data-stage]");

function draw() {
  const { width, height } = stage().getBoundingClientRect();
  // The photo always covers the window when it is larger, and lies still when it is not.
  state.x = Math.min(0, Math.max(width - width * state.zoom, state.x));
  state.y = Math.min(0, Math.max(height - height * state.zoom, state.y));
  root.style.setProperty("--zoom", state.zoom);
  root.style.setProperty("--pan-x", `${state.x}px`);
  root.style.setProperty("--pan-y", `${state.y}px`);
  stage().classList.toggle("close", state.zoom > 6);
}

function zoomTo(zoom, x, y) {
  const next = Math.min(MAX_ZOOM, Math.max(1, zoom));
  state.x = x - ((x - state.x) * next) / state.zoom;
  state.y = y - ((y - state.y) * next) / state.zoom;
  state.zoom = next;
  draw();
}

function zoomBy(factor) {
  const { width, height } = stage().getBoundingClientRect();
  zoomTo(state.zoom * factor, width / 2, height / 2);
  document.dispatchEvent(new CustomEvent("say", { detail: `${Math.round(state.zoom * 100)} %` }));
}

function fit() {
  Object.assign(state, { zoom: 1, x: 0, y: 0 });
  draw();
}

function move(dx, dy) {
  state.x += dx;
  state.y += dy;
  draw();
}

document.addEventListener("click", (event) => {
  const actions = { fit, zoom_in: () => zoomBy(1.5), zoom_out: () => zoomBy(1 / 1.5) };
  actions[event.target.closest("[data-action]")?.dataset.action]?.();
});

document.addEventListener("dblclick", (event) => {
  if (event.target.closest("[data-stage]")) fit();
});

document.addEventListener(
  "wheel",
  (event) => {
    if (!event.target.closest("[data-stage]")) return;
    event.preventDefault();
    const box = stage().getBoundingClientRect();
    zoomTo(state.zoom * 1.0016 ** -event.deltaY, event.clientX - box.left, event.clientY - box.top);
  },
  { passive: false },
);

// One finger or the mouse moves the photo, two fingers zoom it; while marking, marks.js has the pointer.
const pointers = new Map();
document.addEventListener("pointerdown", (event) => {
  if (!event.target.closest("[data-stage]") || stage().classList.contains("marking") || event.button) return;
  stage().setPointerCapture(event.pointerId);
  stage().classList.add("dragging");
  pointers.set(event.pointerId, event);
});
document.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const other = [...pointers.values()].find(({ pointerId }) => pointerId !== event.pointerId);
  if (other) {
    const box = stage().getBoundingClientRect();
    const span = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
    const middle = [(event.clientX + other.clientX) / 2 - box.left, (event.clientY + other.clientY) / 2 - box.top];
    zoomTo((state.zoom * span(event)) / span(before), ...middle);
  } else {
    move(event.clientX - before.clientX, event.clientY - before.clientY);
  }
  pointers.set(event.pointerId, event);
});
for (const end of ["pointerup", "pointercancel"]) {
  document.addEventListener(end, (event) => {
    pointers.delete(event.pointerId);
    if (!pointers.size) stage()?.classList.remove("dragging");
  });
}

const STEP = 80;
const WAYS = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
document.addEventListener("keydown", (event) => {
  if (!event.shiftKey || !WAYS[event.key] || event.defaultPrevented || event.target.matches("input, textarea")) return;
  event.preventDefault();
  move(...WAYS[event.key]);
});

function begin() {
  if (stage()) fit();
}
addEventListener("resize", () => stage() && draw());
document.addEventListener("part:shown", begin);
document.addEventListener("view:shown", begin);
begin();
