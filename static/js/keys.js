// The room's keys: a key clicks the button with its data-action. Which key is which stands in the page (#room-keys).
// An answer acts at once; everything else waits whether it is the first character of a scanner's burst (scanner.js).

import { byPlace, commands, inField, unlessScanned } from "./typing.js";

const MAP = JSON.parse(document.getElementById("room-keys").textContent);
const ACTION_OF = new Map(Object.entries(MAP).flatMap(([action, { keys }]) => keys.map((key) => [key, action])));

/** Write the keys onto the buttons, for eyes and for screen readers. */
function letter() {
  for (const hint of document.querySelectorAll("kbd[data-key-of]")) {
    hint.textContent = MAP[hint.dataset.keyOf]?.shown[0] ?? "";
    hint.ariaHidden = "true";
  }
  for (const button of document.querySelectorAll("[data-action]")) {
    const keys = MAP[button.dataset.action]?.keys ?? [];
    if (keys.length) button.setAttribute("aria-keyshortcuts", keys.join(" "));
  }
}

/** The map's name of the key: what it writes; where that is no Latin letter or no digit, what stands in its place. */
function keyOf(event) {
  const named = [event.key, event.key.toLowerCase()].find((key) => ACTION_OF.has(key));
  if (named) return named;
  const place = byPlace(event);
  return /^[!-~]$/.test(event.key) && !/^\d$/.test(place) ? undefined : place?.toLowerCase();
}

function act(action, key, event) {
  if (action === "view") return document.querySelector(`[data-view-link="${key}"]`)?.click();
  const all = [...document.querySelectorAll(`[data-action="${action}"]`)];
  const target = all.find((button) => !button.closest("[hidden], [inert], dialog:not([open])"));
  if (!target) return;
  if (target.disabled) return target.title && document.dispatchEvent(new CustomEvent("say", { detail: target.title }));
  if (action === "comment") return target.focus();
  target.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, shiftKey: event.shiftKey }));
  if (action === "other") target.parentElement.querySelector("input:not([type=hidden])")?.focus();
}

/** Escape leaves a field, and Enter leaves the comment instead of sending it. */
function leave(event) {
  const commented = event.key === "Enter" && event.target.matches("[data-action=comment]");
  if (commented) event.preventDefault();
  if (commented || event.key === "Escape") event.target.blur();
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (inField(event)) return leave(event);
  const arrow = event.key.startsWith("Arrow");
  if (event.defaultPrevented || commands(event)) return;
  if (arrow && (event.shiftKey || event.target.matches("input[type=range], input[type=radio]"))) return;
  const key = keyOf(event);
  const action = ACTION_OF.get(key);
  if (!action || (event.repeat && !MAP[action].repeats)) return;
  const dialog = document.querySelector("dialog[open]");
  if (dialog) return dialog.dataset.closedBy === action ? dialog.close() : undefined; // the key that opened it closes it
  event.preventDefault();
  if (MAP[action].at_once || event.repeat) act(action, key, event);
  else unlessScanned(() => act(action, key, event));
});

for (const sign of ["part:shown", "aside:shown"]) document.addEventListener(sign, letter);
letter();
