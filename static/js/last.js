// The last answer while it can be taken back: its shape, "Undo" and the seconds that are left.

let last = null;
const place = () => document.querySelector("[data-last]");

function countDown() {
  if (!last) return;
  const left = Math.ceil((last.until - Date.now()) / 1000);
  if (left <= 0) return remember(null);
  place().querySelector("[data-left]").textContent = interpolate(gettext("%s s"), [left]);
}

/** Remember an answer, {claim, outcome, entry, until}, or none. */
export function remember(answer) {
  last = answer;
  place().hidden = !answer;
  if (!answer) return;
  const shape = document.querySelector(`template[data-outcome="${answer.outcome}"]`).content.cloneNode(true);
  place().querySelector("[data-last-outcome]").replaceChildren(shape);
  countDown();
}

export const lastAnswer = () => (last && last.until > Date.now() ? last : null);

// What the server says of an earlier visit's answer counts down too; its link leads to a page of its own.
for (const earlier of document.querySelectorAll("[data-until]")) {
  const show = () => {
    const left = Math.ceil((Date.parse(earlier.dataset.until) - Date.now()) / 1000);
    earlier.hidden = left <= 0 || Boolean(last);
    earlier.querySelector("[data-left]").textContent = interpolate(gettext("%s s"), [Math.max(0, left)]);
  };
  show();
  setInterval(show, 1000);
}
setInterval(countDown, 1000);
