// Covers the photo when the line's viewing time is over; another part uncovers. The room's clock counts, so neither a
// pause nor a page out of sight does. A part that is seen again, after a reload too, has only the time that it has left.

import { milliseconds } from "./clock.js";
import { keep, recall } from "./kept.js";

const KEPT = 8; // parts: as many as one person may hold
const TICK = 200; // ms
const room = document.querySelector("[data-room-page]");
const timer = document.querySelector("[data-viewing]");
const cover = Object.assign(document.createElement("output"), { className: "viewing-cover" });
const kept = `viewing-${room.dataset.user}`; // people share a browser, and each has a time of their own
const seen = new Map(recall(kept, [])); // part -> ms
let part;
let before = 0;

function begin() {
  part = room.dataset.part;
  before = seen.get(part) ?? 0;
  tick();
}

function note(time) {
  seen.delete(part); // so that the part stands last
  seen.set(part, time);
  if (seen.size > KEPT) seen.delete(seen.keys().next().value);
}

function tick() {
  const time = before + milliseconds();
  const left = part ? Math.max(0, Math.ceil(timer.dataset.seconds - time / 1000)) : Infinity;
  if (part) note(time);
  timer.hidden = !part;
  timer.style.setProperty("--left", left / timer.dataset.seconds);
  timer.querySelector("[data-viewing-left]").textContent = interpolate(gettext("%s s"), [left]);
  if (room.hasAttribute("data-covered") === (left === 0)) return;
  room.toggleAttribute("data-covered", left === 0);
  cover.textContent = left === 0 ? timer.dataset.over : "";
}

if (timer) {
  document.querySelector("[data-stage]").append(cover);
  document.addEventListener("part:shown", begin);
  document.addEventListener("part:none", begin);
  addEventListener("pagehide", () => keep(kept, [...seen]));
  setInterval(tick, TICK);
  begin();
}
