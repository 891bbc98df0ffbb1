// Tells what a hand types from what a barcode scanner types, and which character a key gives where an input method
// hides it.

export const GAP = 35; // ms between two characters; below it no hand types

const SIGNS = { Minus: "-", Equal: "=", Slash: "/", Period: ".", Comma: ",", Space: " ", Semicolon: ";", Quote: "'" };

/** The character by the key's place on the board, as a board of the United States has it. */
export function byPlace({ code, shiftKey }) {
  const [, letter, digit] = code.match(/^Key([A-Z])$|^(?:Digit|Numpad)(\d)$/) ?? [];
  if (letter) return shiftKey ? letter : letter.toLowerCase();
  return digit ?? (code === "Slash" && shiftKey ? "?" : SIGNS[code]);
}

/** The character that a key gives; undefined for one that gives none. */
export function characterOf(event) {
  if ([...event.key].length === 1) return event.key;
  return ["Process", "Unidentified"].includes(event.key) ? byPlace(event) : undefined;
}

/** Whether the key is a command to the browser. AltGr is none: some boards write signs with it. */
export const commands = (event) => (event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState("AltGraph");

const NOT_TYPED = ["range", "checkbox", "radio", "button", "submit", "reset", "file", "color"];
/** Whether what is typed belongs to a field. */
export const inField = ({ target }) =>
  target.matches("textarea, select, [contenteditable=true]") || (target.matches("input") && !NOT_TYPED.includes(target.type));

let held;
let timer;
function actNow() {
  clearTimeout(timer);
  const act = held;
  held = undefined;
  act?.();
}
/** Act when the next character has not come as fast as a scanner types. */
export function unlessScanned(act) {
  actNow(); // a busy page may hear of the next key before its own timer
  held = act;
  timer = setTimeout(actNow, GAP);
}
document.addEventListener("scan:began", () => (held = undefined));
