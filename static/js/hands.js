// How hands reach the zoom: wheel, pointer, two fingers, a double tap, buttons, and Shift with the arrows.

import { boxOf, frames, stage } from "./frames.js";
import { keepZoom, move, view, zoomBy, zoomTo } from "./stage.js";

const STEP = 1.5; // of the buttons
const WHEEL = 0.0016; // of e for a CSS pixel of the wheel: a notch of 100 is 17 %
const PINCH = 0.01; // the same for a touchpad's pinch, which comes as a wheel with Ctrl and small steps
const LINES = [1, 16, 400]; // CSS pixels for the wheel's units: pixel, line, page
const TAPS = 300; // ms from one tap to the second
const FINGER = 30; // CSS pixels between two taps on the same place
const STILL = 8; // CSS pixels that a tap may move
const CLOSER = 2; // the zoom of a double tap on a photo that is small: at 1:1 it has not grown
const SLIDE = 0.1; // of the stage, by Shift and an arrow
const WAYS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

const pointers = new Map(); // those that press, by id
let over = null; // the pointer while it is over the stage
let tap = { at: -Infinity }; // the one before
let travelled = 0;

const middle = ({ box }) => [box.left + box.width / 2, box.top + box.height / 2];
const from = (frame, { clientX, clientY }) => [clientX - middle(frame)[0], clientY - middle(frame)[1]];
const own = () => view()?.own;

document.addEventListener("click", (event) => {
  const actions = {
    fit: () => zoomTo(1),
    one_to_one: () => view() && zoomTo(own(), over ? from(view().frame, over) : undefined),
    zoom_in: () => zoomBy(STEP),
    zoom_out: () => zoomBy(1 / STEP),
    keep_zoom: keepZoom,
  };
  actions[event.target.closest("[data-action]")?.dataset.action]?.();
});

document.addEventListener(
  "wheel",
  (event) => {
    const frame = frames.get(boxOf(event));
    if (!frame) return;
    event.preventDefault();
    const way = -event.deltaY * LINES[event.deltaMode] * (event.ctrlKey ? PINCH : WHEEL);
    zoomBy(Math.exp(way), from(frame, event), frame);
  },
  { passive: false },
);

// While marking, marks.js has the pointer.
document.addEventListener("pointerdown", (event) => {
  const box = boxOf(event);
  if (!frames.has(box) || event.button || event.target.closest("button, a") || stage().classList.contains("marking")) return;
  box.setPointerCapture(event.pointerId);
  box.classList.add("dragging");
  pointers.set(event.pointerId, { box, clientX: event.clientX, clientY: event.clientY });
  travelled = pointers.size > 1 ? Infinity : 0;
});

const between = (one, other) => ({ clientX: (one.clientX + other.clientX) / 2, clientY: (one.clientY + other.clientY) / 2 });
const apart = (one, other) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;

document.addEventListener("pointermove", (event) => {
  over = event.pointerType !== "touch" && boxOf(event) === stage() ? event : null;
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = { box: before.box, clientX: event.clientX, clientY: event.clientY };
  pointers.set(event.pointerId, now);
  travelled += apart(now, before);
  const frame = frames.get(now.box);
  const other = [...pointers.values()].find((each) => each !== now);
  const [start, end] = other ? [between(before, other), between(now, other)] : [before, now];
  move(end.clientX - start.clientX, end.clientY - start.clientY, frame);
  if (other && frame) zoomBy(apart(now, other) / apart(before, other), from(frame, end), frame);
});

// A double tap looks at that place one to one, or at the whole photo again.
function tapped(event, frame) {
  const twice = event.timeStamp - tap.at < TAPS && apart(event, tap.event) < FINGER;
  tap = twice ? { at: -Infinity } : { at: event.timeStamp, event };
  if (twice) zoomTo(view().look.zoom === 1 ? Math.max(own(), CLOSER) : 1, from(frame, event), frame);
}

for (const end of ["pointerup", "pointercancel"]) {
  document.addEventListener(end, (event) => {
    const pointer = pointers.get(event.pointerId);
    if (!pointer) return;
    pointers.delete(event.pointerId);
    if (pointers.size) return;
    pointer.box.classList.remove("dragging");
    const frame = frames.get(pointer.box);
    if (frame && view() && end === "pointerup" && travelled < STILL) tapped(event, frame);
  });
}

document.addEventListener("keydown", (event) => {
  const way = event.shiftKey && WAYS[event.key];
  if (!way || event.defaultPrevented || event.target.matches("input, textarea, select") || !view()) return;
  event.preventDefault();
  const { width, height } = view().frame.box;
  move(way[0] * width * SLIDE, way[1] * height * SLIDE);
});
