// The zoom of the photo, and of the reference beside it: one look for both, drawn at most once per frame and only by
// transforms. hands.js changes it.

import { frames, measure, stage } from "./frames.js";
import { keep, recall } from "./kept.js";
import { about, corner, limits, moved, settled } from "./zoom.js";

const FITTED = { zoom: 1, u: 0.5, v: 0.5 };
const PIXELS_SHOW = 3; // from 300 % on a pixel is a square and not a blur
const CALM = 120; // ms without a change: the move is over, and the scale is said
let look = FITTED;
let keeps = recall("keep-zoom", false);
let due = 0;
let lastMove = -Infinity;
let calming;
let saying;

const main = () => frames.get(stage());
const cap = () => Number(stage().dataset.zoomLimit) || 0;
const range = () => limits(main(), cap(), devicePixelRatio);
const possible = (zoom) => Math.min(range().most, Math.max(range().least, zoom));
const shown = () => ({ ...look, zoom: possible(look.zoom) }); // the line's cap may hold even the fitted photo smaller
const percent = () => `${Math.round(main().fit * shown().zoom * devicePixelRatio * 100)} %`;

/** The stage as it stands: its frame, what it shows, and its limits; nothing without a photo. */
export const view = () => main() && { frame: main(), look: settled(main(), shown()), ...range() };

// While it moves on and on the photo is a layer of its own, which the browser need not paint anew in every frame.
function keepMoving() {
  const now = performance.now();
  if (now - lastMove < CALM) for (const element of frames.keys()) element.classList.add("moving");
  lastMove = now;
  clearTimeout(calming);
  calming = setTimeout(() => {
    for (const element of frames.keys()) element.classList.remove("moving");
  }, CALM);
}

function paint() {
  due = 0;
  if (!main()) return;
  for (const [element, frame] of frames) {
    const own = settled(frame, shown());
    const [left, top] = corner(frame, own, devicePixelRatio);
    const { style } = element === stage() ? document.documentElement : element;
    style.setProperty("--zoom", own.zoom);
    style.setProperty("--pan-x", `${left - own.zoom * frame.x}px`);
    style.setProperty("--pan-y", `${top - own.zoom * frame.y}px`);
    element.classList.toggle("close", frame.fit * own.zoom * devicePixelRatio >= PIXELS_SHOW);
  }
  for (const output of document.querySelectorAll("[data-scale]")) output.textContent = percent();
  document.dispatchEvent(new CustomEvent("photo:drawn"));
}

function draw() {
  due ||= requestAnimationFrame(paint);
}

function tell(refused) {
  clearTimeout(saying);
  saying = setTimeout(() => {
    const words = refused ? gettext("%s, the closest look on this line") : "%s";
    if (main()) document.dispatchEvent(new CustomEvent("say", { detail: interpolate(words, [percent()]) }));
  }, CALM);
}

/** Zoom about a point, given in CSS pixels from the middle of a box: the stage's, unless told otherwise. */
export function zoomTo(wanted, [x, y] = [0, 0], frame = main()) {
  if (!main() || !frame) return;
  look = wanted === FITTED.zoom ? FITTED : about(frame, settled(frame, shown()), possible(wanted), x, y);
  keepMoving();
  draw();
  tell(cap() && wanted > range().most);
}
export const zoomBy = (factor, ...at) => main() && zoomTo(shown().zoom * factor, ...at);

export function move(dx, dy, frame = main()) {
  if (!main() || !frame) return;
  look = moved(frame, settled(frame, shown()), dx, dy);
  keepMoving();
  draw();
}

const showChoice = () => document.querySelector("[data-action=keep_zoom]")?.setAttribute("aria-pressed", String(keeps));

export function keepZoom() {
  keeps = !keeps;
  keep("keep-zoom", keeps);
  showChoice();
}

function begin() {
  if (!keeps) look = FITTED;
  measure();
  draw();
  showChoice();
}
document.addEventListener("boxes:changed", draw);
document.addEventListener("part:shown", begin);
document.addEventListener("view:shown", begin);
begin();
