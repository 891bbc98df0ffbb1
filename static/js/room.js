// The room's rhythm: an answer shows the next part in the same moment, while the outbox sends it. The last answer can be
// looked at again and changed; what the server refuses comes back.

import { forget } from "./ahead.js";
import { isPaused } from "./clock.js";
import { begin, bring, finish, inHand, leases, look, proceed, put, receive, reopen, setAside, spent, takesAnswers } from "./hand.js";
import { lastAnswer, remember } from "./last.js";
import { keepAlive } from "./lease.js";
import { marked, needsMark } from "./marks.js";
import { notice, problem } from "./notices.js";
import * as outbox from "./outbox.js";
import { isPainted } from "./painted.js";
import { keep } from "./part.js";

const CALM = matchMedia("(prefers-reduced-motion: reduce)").matches;
const FLASH = [{ opacity: CALM ? [0.6, 0.6] : [1, 1, 0] }, { duration: 120 }];
const SCANNED = 120; // ms in which an answer may turn out to be a scanner's first character
const KEPT = 8;

const page = document.querySelector("[data-room-page]");
const judge = document.querySelector("[data-verdict]");
const given = new Map(); // the last answers' claims, by their entry in the outbox
let again = null; // the last answer, while it is looked at a second time
let before = null; // what could be undone before the last answer

// Answers

function flash(button) {
  const edge = document.querySelector("[data-flash]");
  edge.replaceChildren(button.querySelector("svg").cloneNode(true));
  edge.className = `flash outcome ${button.value}`;
  for (const animation of edge.getAnimations()) animation.cancel();
  edge.animate(...FLASH);
}

/** What the server would refuse, said before the next part takes the place. */
function wrong(outcome) {
  if (outcome === "ok" && marked().rejecting) return gettext("A mark rejects this part. Judge scratched, or remove the mark.");
  if (outcome !== "scratched" || !needsMark()) return null;
  return gettext("This line asks for the scratch to be marked. Mark it on the photo, then judge again.");
}

function send(claim, body) {
  const { id, serial } = claim.inspection;
  const entry = outbox.put("verdict", id, serial, body);
  given.set(entry, claim);
  if (given.size > KEPT) given.delete(given.keys().next().value);
  return entry;
}

function answer(outcome, button) {
  const words = wrong(outcome);
  if (words) return problem(words);
  const claim = inHand();
  keep(claim);
  const { defects, comment, lease } = claim;
  const body = { outcome, lease: lease.token, defects: JSON.parse(defects), comment, duration_ms: spent() };
  const entry = send(claim, body);
  finish(claim);
  before = lastAnswer();
  remember({ claim, outcome, entry, body, at: performance.now(), until: Date.now() + page.dataset.undoSeconds * 1000 });
  flash(button);
  proceed({ answered: true });
}

judge.addEventListener("submit", (event) => {
  event.preventDefault();
  const outcome = event.submitter?.value;
  if (outcome && inHand() && !isPainted()) problem(gettext("The photo is not here yet. Wait for it, or pass the part on."));
  if (!outcome || !takesAnswers()) return;
  if (again) change(outcome);
  else if (inHand()) answer(outcome, event.submitter);
});

// Second thoughts

function undo() {
  if (again) return leave();
  const last = lastAnswer();
  if (!last) return;
  setAside();
  again = { ...last, since: performance.now() };
  page.dataset.again = last.outcome;
  document.querySelector("[data-again-line]").hidden = false;
  const shape = document.querySelector(`template[data-outcome="${last.outcome}"]`).content.cloneNode(true);
  document.querySelector("[data-again-outcome]").replaceChildren(shape);
  put(last.claim, { looking: true });
}

function leave() {
  again = null;
  delete page.dataset.again;
  document.querySelector("[data-again-line]").hidden = true;
  proceed();
}

document.addEventListener("undo:over", () => {
  if (!again) return;
  notice(gettext("The time to change this answer is over. Ask a supervisor."), "warning");
  leave();
});

/** An answer that was not sent yet is replaced; one that was gets a correction behind it. */
function change(outcome) {
  const { claim, body, outcome: judged } = again;
  let { entry } = again;
  if (outcome === judged) return leave();
  if (outbox.withdraw(entry)) entry = send(claim, { ...body, outcome });
  else outbox.put("correction", claim.inspection.id, claim.inspection.serial, { outcome, reason: "undo" }, entry);
  remember({ ...again, entry, outcome });
  leave();
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-undo]") && !isPaused()) undo();
});

// A scanner's first character may have been an answer's key, or the one that undoes: it is as if it had not been pressed.
document.addEventListener("scan:began", () => {
  const last = lastAnswer();
  if (again && performance.now() - again.since < SCANNED) return leave();
  if (again || !last || performance.now() - last.at > SCANNED || !outbox.withdraw(last.entry)) return;
  setAside();
  reopen(last.claim);
  remember(before);
  put(last.claim);
});

// A part that waits here stands at once; any other serial is the server's to find.
document.addEventListener("scan", (event) => {
  if (!again && bring(event.detail)) event.preventDefault();
});

// Passing on and cleaning

document.addEventListener("submit", (event) => {
  const kind = event.target.dataset.ends;
  if (!kind) return;
  event.preventDefault();
  const claim = inHand();
  if (!claim) return;
  const { id, serial } = claim.inspection;
  outbox.put(kind, id, serial, { lease: claim.lease.token, reason: event.target.elements.reason.value });
  finish(claim);
  remember(null); // what could be undone was the part before
  notice(interpolate(event.target.dataset.done, [serial]), "success");
  event.target.reset();
  event.target.closest("details").open = false;
  proceed();
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-action=clean]") || !inHand()) return;
  const form = document.querySelector("form[data-ends=retake]");
  const { contaminations } = marked();
  form.elements.reason.value ||= contaminations.join(", ");
  if (contaminations.length) return form.requestSubmit();
  form.closest("details").open = true;
  form.elements.reason.focus();
});

// What the server said

document.addEventListener("outbox:sent", ({ detail: { entry, answer } }) => {
  receive(answer?.next);
  if (entry.kind !== "verdict") look();
});

document.addEventListener("outbox:refused", ({ detail: { entry, status, words } }) => {
  const claim = given.get(entry.id);
  if (status === 409 && (entry.kind === "skip" || entry.kind === "retake")) return; // gone already, as was wanted
  if (claim) reopen(claim);
  if (claim && status === 400 && !again) {
    setAside();
    remember(null);
    put(claim);
    return problem(words);
  }
  notice(`${entry.serial}: ${words}`, "warning");
});

function gone(tokens) {
  const claim = inHand();
  forget(tokens);
  if (!claim || !tokens.includes(claim.lease.token)) return;
  const words = gettext("Part %s is no longer yours: the time ran out, or a supervisor freed it.");
  notice(interpolate(words, [claim.inspection.serial]), "warning");
  proceed();
}

remember(null);
begin();
keepAlive({ leases, seconds: page.dataset.renewSeconds, gone });
outbox.flush();
