// What the desk tells the server goes one after the other: what was settled last is written last. What it does not take
// is said, with a way back to the part.

let sending = Promise.resolve();

/** Act once everything before has been sent; the promise is that of all of it. */
export function inTurn(act) {
  sending = sending.catch(() => {}).then(act); // one that failed stops no other
  return sending;
}

export const serial = () => document.querySelector("[data-part-serial]").textContent.trim();
export const say = (words) => document.dispatchEvent(new CustomEvent("say", { detail: words }));

/** `was`: the serial and address of the part, which may not be the one that is shown by now. */
export function refused(answer, was) {
  const words = answer?.doc.querySelector("[data-error]:not([hidden]) [data-words], .empty p")?.textContent;
  const item = Object.assign(document.createElement("li"), { className: "message error" });
  const back = Object.assign(document.createElement("a"), { href: was.address, textContent: gettext("Back to it") });
  item.append(`${was.serial}: ${words ?? gettext("not settled, the server did not answer.")} `, back);
  const list = Object.assign(document.createElement("ul"), { className: "messages" });
  list.append(item);
  document.querySelector('[data-piece="messages"]').replaceChildren(list);
}
