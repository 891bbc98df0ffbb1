// The frame's behaviour: the switch of light and dark, menus that close, dialogs, forms that send themselves,
// questions before a button acts, and times that stay true while the page is open. All by delegation: a room may
// put another body in place.

const root = document.documentElement;

// Light or dark, kept in a cookie so that the server sends the right side at once. A room has a choice of its own.
function switchTheme() {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  const name = root.dataset.room ? "theme_room" : "theme";
  document.cookie = `${name}=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
}

const openMenus = () => document.querySelectorAll("[data-menu][open]");

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-switch]")) switchTheme();
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog)?.showModal();
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
  for (const menu of openMenus()) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// data-autosubmit on a form: a changed filter is applied at once; its button serves those without JavaScript.
document.addEventListener("change", (event) => event.target.closest("form[data-autosubmit]")?.requestSubmit());
for (const button of document.querySelectorAll("form[data-autosubmit] [data-without-js]")) button.hidden = true;

// data-confirm on a form or its button: asks its question first.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// Relative times, in the unit that people would say.
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const words = new Intl.RelativeTimeFormat(root.lang, { numeric: "always" });

function ago(seconds) {
  if (Math.abs(seconds) < 10) return gettext("just now");
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length);
  return words.format(-Math.trunc(seconds / length), unit);
}

function refreshTimes() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    time.textContent = ago((Date.now() - Date.parse(time.dateTime)) / 1000);
  }
}
refreshTimes();
setInterval(refreshTimes, 20000);
document.addEventListener("part:shown", refreshTimes);
