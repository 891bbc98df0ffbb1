// The last answer while it can be taken back: its shape, "Undo" and the seconds that are left.

let last = null;
const place = () => document.querySelector("[data-last]");

function countDown() {
  if (!last) return;
  const left = Math.ceil((last.until - Date.now()) / 1000);
  if (left <= 0) {
    remember(null);
    return document.dispatchEvent(new CustomEvent("undo:over"));
  }
  place().querySelector("[data-left]").textContent = interpolate(gettext("%s s"), [left]);
}

/** Remember an answer, {claim, outcome, entry, until}, or none. */
export function remember(answer) {
  last = answer;
  place().hidden = !answer;
  if (!answer) return;
  document.querySelector("[data-until]")?.remove(); // an earlier visit's answer is not the last one any more
  const shape = document.querySelector(`template[data-outcome="${answer.outcome}"]`).content.cloneNode(true);
  place().querySelector("[data-last-outcome]").replaceChildren(shape);
  countDown();
}

export const lastAnswer = () => (last && last.until > Date.now() ? last : null);

// What the server says of an earlier visit's answer counts down too; its link leads to a page of its own.
const ends = performance.now() + (document.querySelector("[data-until]")?.dataset.until ?? 0) * 1000;
function countDownEarlier() {
  const earlier = document.querySelector("[data-until]");
  const left = Math.ceil((ends - performance.now()) / 1000);
  if (left <= 0) earlier?.remove();
  else if (earlier) earlier.querySelector("[data-left]").textContent = interpolate(gettext("%s s"), [left]);
}

countDownEarlier();
setInterval(() => {
  countDown();
  countDownEarlier();
}, 1000);
