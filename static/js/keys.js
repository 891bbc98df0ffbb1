// The room's keys: the one map, the letters written on the buttons, and the list behind "?". A key clicks the button
// with its data-action. A barcode scanner types faster than a hand, so an answer waits 40 ms for the next character.

const MAP = {
  ok: { keys: ["j", "ArrowLeft"], words: "OK" },
  scratched: { keys: ["k", "ArrowRight"], words: "Scratched" },
  unsure: { keys: ["u", "ArrowDown"], words: "Unsure" },
  undo: { keys: ["z"], words: "Undo, or back" },
  comment: { keys: ["n"], words: "Write a comment" },
  other: { keys: ["o"], words: "Cleaning, passing on, putting back" },
  view: { keys: ["1", "2", "3", "4", "5", "6", "7", "8"], words: "View 1 to 8", shown: "1 – 8" },
  fit: { keys: ["f"], words: "Fit the photo" },
  zoom_in: { keys: ["+", "="], words: "Larger" },
  zoom_out: { keys: ["-"], words: "Smaller", shown: "−" },
  pan: { keys: [], words: "Move the photo", shown: "Shift + arrows" },
  brighter: { keys: ["b"], words: "Brighter; with Shift darker" },
  harder: { keys: ["c"], words: "More contrast; with Shift less" },
  mark: { keys: ["m"], words: "Mark a defect, and stop marking" },
  severity: { keys: ["v"], words: "How bad the chosen mark is" },
  remove_mark: { keys: ["Delete", "Backspace"], words: "Remove the chosen mark", shown: "Del" },
  help: { keys: ["?"], words: "This list" },
};
const ANSWERS = ["ok", "scratched", "unsure", "undo"];
const SCANNER = 40; // ms between two characters: below it no hand types
const ARROWS = { ArrowLeft: "←", ArrowRight: "→", ArrowDown: "↓" };
const nameOf = (key) => ARROWS[key] ?? (key.length === 1 ? key.toUpperCase() : key);
const shown = ({ keys, shown }) => shown ?? nameOf(keys[0]);

function letter() {
  for (const hint of document.querySelectorAll("kbd[data-key-of]")) hint.textContent = shown(MAP[hint.dataset.keyOf]);
  const list = document.querySelector("[data-key-list]");
  list?.replaceChildren(
    ...Object.values(MAP).flatMap((entry) => {
      const term = document.createElement("dt");
      const names = entry.shown ? [entry.shown] : entry.keys.map(nameOf);
      term.append(...names.map((name) => Object.assign(document.createElement("kbd"), { textContent: name })));
      return [term, Object.assign(document.createElement("dd"), { textContent: entry.words })];
    }),
  );
}

const actionOf = (key) => Object.keys(MAP).find((action) => MAP[action].keys.includes(key));

function act(action, event) {
  if (action === "view") return document.querySelector(`[data-view-link="${event.key}"]`)?.click();
  const target = document.querySelector(`[data-action="${action}"]:not(:disabled)`);
  if (!target || target.closest("[hidden]")) return;
  if (action === "comment") return target.focus();
  target.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, shiftKey: event.shiftKey }));
  if (action === "other") target.parentElement.querySelector("input:not([type=hidden])")?.focus();
}

let last = -Infinity;
let pending;

document.addEventListener("keydown", (event) => {
  const fast = event.timeStamp - last < SCANNER;
  last = event.timeStamp;
  clearTimeout(pending);
  const typing = event.target.matches("input:not([type=range]), textarea, select");
  const commented = event.key === "Enter" && event.target.matches("[data-action=comment]");
  if (commented) event.preventDefault();
  if (typing && (commented || event.key === "Escape")) event.target.blur();
  if (typing || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (document.querySelector("dialog[open]") || (event.shiftKey && event.key.startsWith("Arrow"))) return;
  const action = actionOf(event.key) ?? actionOf(event.key.toLowerCase());
  if (!action) return;
  event.preventDefault();
  if (!ANSWERS.includes(action)) return act(action, event);
  if (!fast) pending = setTimeout(() => act(action, event), SCANNER);
});

document.addEventListener("part:shown", letter);
letter();
