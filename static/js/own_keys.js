// The page of preferences: in a field for a key, the key that is pressed is what is set. Tab, Enter and Escape keep
// their meaning, and Backspace empties the field. Without this module one writes the key's name.

import { characterOf, commands } from "./typing.js";

const NAMES = JSON.parse(document.getElementById("key-names").textContent);

for (const words of document.querySelectorAll("[data-with-js]")) words.hidden = false;
for (const words of document.querySelectorAll("[data-without-js]")) words.hidden = true;

document.addEventListener("keydown", (event) => {
  const field = event.target.closest("[data-key-field]");
  const key = characterOf(event)?.toLowerCase() ?? event.key;
  if (!field || commands(event) || event.isComposing || !(key in NAMES || characterOf(event))) return;
  event.preventDefault();
  const capital = key.toUpperCase().length === 1 ? key.toUpperCase() : key; // some letters have none of one sign
  field.value = key === "Backspace" && field.value ? "" : (NAMES[key] ?? capital);
  field.removeAttribute("aria-invalid");
});
