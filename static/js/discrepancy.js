// The desk: a finding and a reason settle the part and the next one stands there at once; the server is told meanwhile.
// Without this module the page is an ordinary form.

import * as pages from "./desk_pages.js";
import { inTurn, refused, say, serial } from "./desk_sending.js";

const given = new Map(); // what the part was found to be -> the reason given for it last
let waiting = false; // the next part is not here yet

const form = () => document.querySelector("[data-settle]");
const chosen = () => form()?.querySelector("[name=finding]:checked");
const field = () => form().elements.reason;
const lastReason = ({ dataset: { meaning, last } }) => given.get(meaning) ?? last;

/** Offer the reasons of the finding that is chosen. */
function offer() {
  if (!form()) return;
  const finding = chosen();
  for (const list of form().querySelectorAll("[data-reasons]")) list.hidden = list.dataset.reasons !== finding?.value;
  const last = finding && lastReason(finding);
  field().placeholder = last ? interpolate(gettext("Enter: %s"), [last]) : field().dataset.placeholder;
  form().noValidate = true; // what is missing is said beside it
}

function settle(submitter) {
  const finding = chosen();
  if (waiting) return;
  if (!finding) return say(gettext("Who was right? P, M or A."));
  const body = new FormData(form(), submitter);
  const reason = body.get("chosen") || body.get("reason").trim() || lastReason(finding);
  if (!reason) return void (field().focus(), say(gettext("Say why.")));
  body.delete("chosen");
  body.set("reason", reason);
  given.set(finding.dataset.meaning, reason);
  const was = { serial: serial(), address: location.href, words: finding.closest("label").querySelector("span").firstElementChild.textContent };
  const { action } = form();
  const next = pages.take();
  if (next) {
    body.set("then", next.part);
    pages.show(next);
    leadBack(was);
  }
  waiting = !next;
  say(`${was.serial}: ${was.words}`);
  inTurn(() => send(action, body, was, next));
}

/** The page ahead was written before this part was settled: the way back leads to it all the same. */
function leadBack({ serial: last, address, words }) {
  const link = document.querySelector("[data-action=undo]");
  Object.assign(link, { href: address, hidden: false, title: words });
  link.querySelector("[data-last-serial]").textContent = last;
}

async function send(action, body, was, next) {
  const answer = await pages.page(action, { method: "POST", body }).catch(() => null);
  waiting = false;
  if (!answer?.ok) return refused(answer, was);
  if (!answer.part) return location.assign(answer.url); // nothing is open any more
  if (!next || answer.part !== next.part) pages.show(answer);
  else if (answer.part === pages.part()) refresh(answer.doc);
  announce(was);
}

/** What the server knows by now of the part that is shown: how many are open, and what comes next. */
function refresh(doc) {
  pages.swap(doc, ["messages", "line"]);
  const then = form()?.querySelector("[data-then]");
  if (then) then.value = doc.querySelector("[data-then]")?.value ?? "";
  document.dispatchEvent(new CustomEvent("aside:shown")); // the letters of the keys, too
  pages.look();
}

function announce(was) {
  const open = document.querySelector("[data-open]")?.textContent.trim();
  document.querySelector("[data-announce]").textContent = `${was.serial}: ${was.words}. ${serial()}. ${open}`;
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-settle]")) return;
  event.preventDefault();
  settle(event.submitter);
});
document.addEventListener("change", (event) => event.target.name === "finding" && offer());
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-action=write]")) field().focus();
  // Chosen by mouse or letter, a finding keeps no focus: the arrows are the photos'.
  if (event.target.closest("label")?.querySelector("[name=finding]") && event.target.name !== "finding") {
    setTimeout(() => chosen()?.blur());
  }
});
document.addEventListener("keydown", (event) => {
  const idle = !event.target.closest("input, textarea, select, button, a, summary, dialog");
  if (event.key !== "Enter" || event.defaultPrevented || !idle || !form() || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  form().requestSubmit();
});
document.addEventListener("part:shown", () => {
  offer();
  pages.look();
});
offer();
pages.look();
