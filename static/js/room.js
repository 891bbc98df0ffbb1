// The room's rhythm: an answer shows the next part in the same moment, while the outbox sends it; two parts are always
// ahead. The last answer can be looked at again and changed. An empty room looks for parts by itself.

import * as ahead from "./ahead.js";
import { idleFor, isPaused, milliseconds } from "./clock.js";
import { giveBack, keepAlive } from "./lease.js";
import { lastAnswer, remember } from "./last.js";
import { marked, needsMark } from "./marks.js";
import { notice, problem } from "./notices.js";
import * as outbox from "./outbox.js";
import { keep, show, showNone } from "./part.js";

const GUARD = 200; // ms in which a new part takes no answer: a key pressed twice must not judge an unseen photo
const LOOK_AGAIN = 3000;
const NOBODY_HERE = 5 * 60 * 1000;
const CALM = matchMedia("(prefers-reduced-motion: reduce)").matches;
const FLASH = [{ opacity: CALM ? [0.6, 0.6] : [1, 1, 0] }, { duration: 120 }];
const SCANNED = 120; // ms in which an answer may turn out to be a scanner's first character

const page = document.querySelector("[data-room-page]");
const { line } = page.dataset;
const given = new Map(); // the last answers' claims, by their entry in the outbox
const done = new Set(); // the parts that this page has answered or passed on
let current = null; // the claim that awaits its verdict
let again = null; // the last answer, while it is looked at a second time
let before = null; // what could be undone before the last answer
let shownAt = 0;

const knows = ({ inspection: { id } }) => done.has(id) || [current, ...ahead.held()].some((claim) => claim?.inspection.id === id);
const leases = () => [current, ...ahead.held()].filter(Boolean).map(({ lease }) => lease);

function put(claim) {
  current = claim;
  shownAt = performance.now();
  delete page.dataset.ready;
  if (claim) show(claim);
  setTimeout(() => (page.dataset.ready = ""), GUARD);
}

/** Show the next part. An answer on its way brings the one after it; after anything else the queue is asked. */
function proceed({ answered = false } = {}) {
  const claim = ahead.next() ?? null;
  put(claim);
  if (!claim) showNone("coming");
  if (!claim || !answered) look();
}

/** Fill up what is ahead; into an empty room the first part comes at once. */
async function look() {
  if (!ahead.lacks() && current) return;
  const none = await ahead.fill(line, knows).catch(() => false);
  if (current || again || isPaused()) return;
  if (ahead.held().length) proceed();
  else if (none) showNone("none");
}

/** Another part takes the place for a while; the present one comes next again, as it was left. */
function setAside() {
  if (!current) return;
  keep(current);
  ahead.first(current);
}

// Answers

function flash(button) {
  const edge = document.querySelector("[data-flash]");
  edge.replaceChildren(button.querySelector("svg").cloneNode(true));
  edge.className = `flash outcome ${button.value}`;
  for (const animation of edge.getAnimations()) animation.cancel();
  edge.animate(...FLASH);
}

function answer(outcome, button) {
  if (again) return change(outcome);
  const wrong = outcome === "ok" && marked().rejecting ? gettext("A mark rejects this part. Judge scratched, or remove the mark.") : null;
  if (wrong) return problem(wrong);
  if (outcome === "scratched" && needsMark()) return problem(gettext("This line asks for the scratch to be marked. Mark it on the photo, then judge again."));
  const { inspection: part, lease } = current;
  keep(current);
  const body = { outcome, lease: lease.token, defects: JSON.parse(current.defects), comment: current.comment, duration_ms: milliseconds() };
  const entry = outbox.put("verdict", part.id, part.serial, body);
  done.add(part.id);
  given.set(entry, current);
  if (given.size > 8) given.delete(given.keys().next().value);
  before = lastAnswer();
  remember({ claim: current, outcome, entry, body, at: performance.now(), until: Date.now() + page.dataset.undoSeconds * 1000 });
  flash(button);
  proceed({ answered: true });
}

/** Look at the last answer again. */
function undo() {
  if (again) return leave();
  const last = lastAnswer();
  if (!last) return;
  setAside();
  again = last;
  put(last.claim);
  current = null;
  page.dataset.again = last.outcome;
  document.querySelector("[data-again-outcome]").replaceChildren(document.querySelector(`template[data-outcome="${last.outcome}"]`).content.cloneNode(true));
}

function leave() {
  again = null;
  delete page.dataset.again;
  proceed();
}

/** A second thought: an answer not sent yet is replaced, one that was sent gets a correction. */
function change(outcome) {
  if (outcome === again.outcome) return leave();
  const { id, serial } = again.claim.inspection;
  let { entry } = again;
  if (outbox.withdraw(entry)) entry = outbox.put("verdict", id, serial, { ...again.body, outcome });
  else outbox.put("correction", id, serial, { outcome, reason: "undo" }, entry);
  given.set(entry, again.claim);
  remember({ ...again, entry, outcome });
  leave();
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-verdict]")) return;
  event.preventDefault();
  if (event.submitter?.value && (current || again) && !isPaused() && performance.now() - shownAt >= GUARD) answer(event.submitter.value, event.submitter);
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-undo], [data-again-leave]")) return;
  event.preventDefault();
  undo();
});

// A scanner's first character may have been an answer's key: it is as if it had not been pressed.
document.addEventListener("scan:began", () => {
  const last = lastAnswer();
  if (again || !last || performance.now() - last.at > SCANNED || !outbox.withdraw(last.entry)) return;
  setAside();
  remember(before);
  put(last.claim);
});

// Passing on and cleaning

document.addEventListener("submit", (event) => {
  const kind = event.target.dataset.ends;
  if (!kind) return;
  event.preventDefault();
  if (!current) return;
  const { inspection: part, lease } = current;
  done.add(part.id);
  outbox.put(kind, part.id, part.serial, { lease: lease.token, reason: event.target.elements.reason.value });
  notice(interpolate(event.target.dataset.done, [part.serial]), "success");
  event.target.reset();
  event.target.closest("details").open = false;
  proceed();
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-action=clean]") || !current) return;
  const form = document.querySelector("form[data-ends=retake]");
  const { contaminations } = marked();
  form.elements.reason.value ||= contaminations.join(", ");
  if (contaminations.length) return form.requestSubmit();
  form.closest("details").open = true;
  form.elements.reason.focus();
});

// What the server said

document.addEventListener("outbox:sent", ({ detail: { entry, answer } }) => {
  const claim = answer?.next;
  if (claim && !knows(claim)) ahead.add(claim);
  if (!current && !again) look();
  else if (entry.kind !== "verdict") look();
});

document.addEventListener("outbox:refused", ({ detail: { entry, status, words } }) => {
  const claim = given.get(entry.id);
  if (entry.kind !== "verdict" && status === 409 && entry.kind !== "correction") return; // gone already, as was wanted
  if (entry.kind === "verdict" && status === 400 && claim && !again) {
    setAside();
    remember(null);
    put(claim);
    return problem(words);
  }
  notice(`${entry.serial}: ${words}`, "warning");
});

function gone(tokens) {
  ahead.forget(tokens);
  if (!current || !tokens.includes(current.lease.token)) return;
  notice(interpolate(gettext("Part %s is no longer yours: the time ran out, or a supervisor freed it."), [current.inspection.serial]), "warning");
  proceed();
}

document.addEventListener("room:paused", () => giveBack(ahead.drop()));
document.addEventListener("room:resumed", look);

// The start: what this person holds already is shown first.

outbox.hooks.wantsNext = () => ahead.lacks();
for (const part of outbox.parts()) done.add(part);
const claims = JSON.parse(document.getElementById("claims").textContent).filter((claim) => !knows(claim));
for (const claim of claims) ahead.add(claim);
if (claims[0]?.inspection.id === Number(page.dataset.part)) {
  keep(claims[0]); // a refused verdict comes back with what was marked and written
  put(ahead.next());
} else proceed();
remember(null);
keepAlive({ leases, seconds: page.dataset.renewSeconds, gone });
outbox.flush();
look();
setInterval(() => {
  const absent = idleFor() > NOBODY_HERE;
  page.toggleAttribute("data-absent", absent);
  if (!current && !again && !document.hidden && !isPaused() && !absent) look();
}, LOOK_AGAIN);
