// A barcode scanner types its code in a burst and ends it with Enter or Tab: on every page the burst opens the serial.
// The first character cannot be told from a key; from the second on the event "scan:began" takes it back, and nobody
// else hears the rest. In a field the code is typed like any text.

import { GAP, characterOf, commands, inField } from "./typing.js";

const SHORTEST = 4;
const UNFINISHED = 200; // ms without an end
const form = document.querySelector("[data-scan]");

let burst = "";
let last = -Infinity;
let timer;
const say = (words) => document.dispatchEvent(new CustomEvent("say", { detail: words }));

function end(complete) {
  clearTimeout(timer);
  const code = burst.trim();
  burst = "";
  if (code.length < SHORTEST) say(gettext("Two keys at once: neither counts."));
  else if (complete) open(code);
  else say(gettext("The scanner sent no Enter after the code."));
}

function open(code) {
  // A page that can show the part itself cancels the event.
  if (!document.dispatchEvent(new CustomEvent("scan", { detail: code, cancelable: true }))) return;
  if (code === document.querySelector("[data-part] [data-part-serial]")?.textContent.trim()) {
    return say(interpolate(gettext("%s is the part that you see."), [code]));
  }
  form.elements.serial.value = code;
  form.submit();
}

function listen(event) {
  if (commands(event) || event.repeat || inField(event)) return void (burst = "");
  if (["Shift", "CapsLock", "AltGraph"].includes(event.key)) return; // on the way to a capital letter
  const character = characterOf(event);
  const ends = event.key === "Enter" || event.key === "Tab";
  const follows = burst && event.timeStamp - last <= GAP && (character || (ends && burst.length > 1));
  last = event.timeStamp;
  if (!follows) return void (burst = character ?? "");
  event.preventDefault();
  event.stopImmediatePropagation();
  if (burst.length === 1) document.dispatchEvent(new CustomEvent("scan:began"));
  if (ends) return end(true);
  burst += character;
  clearTimeout(timer);
  timer = setTimeout(end, UNFINISHED, false);
}

// A box that comes back with what was not found takes the next code in its place, not behind it.
const box = document.querySelector("input[name=serial][autofocus]");
if (box?.value) {
  box.focus();
  box.select();
}

// On the window and on the way down: before every other listener.
if (form) addEventListener("keydown", listen, { capture: true });
