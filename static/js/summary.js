// The shift summary over the room: what has data-action="summary" opens the inside of its page in a dialog, so that the
// room and what it holds stay. Without this module the link in the person's menu leads to the page.

import { piece } from "./api.js";

async function show(link) {
  const inside = await piece(`${link.href}?fragment`).catch(() => null);
  if (!inside) {
    return document.dispatchEvent(new CustomEvent("say", { detail: gettext("The server does not answer.") }));
  }
  const dialog = Object.assign(document.createElement("dialog"), { className: "dialog shift", ariaLabel: link.textContent.trim() });
  const title = Object.assign(document.createElement("h2"), { textContent: link.textContent.trim() });
  const close = Object.assign(document.createElement("button"), { className: "button", type: "button", textContent: gettext("Close") });
  close.autofocus = true;
  close.addEventListener("click", () => dialog.close());
  const foot = Object.assign(document.createElement("div"), { className: "dialog-foot" });
  foot.append(close);
  dialog.dataset.closedBy = "summary";
  dialog.append(title, inside, foot);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-action=summary]");
  if (!target || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  target.closest("details")?.removeAttribute("open");
  show(document.querySelector("a[data-action=summary]"));
});
