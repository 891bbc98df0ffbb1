// The words over the photo that tell for a second what a key has changed: the event "say".

const LASTS = 900; // ms
let saying;

document.addEventListener("say", ({ detail: words }) => {
  const said = document.querySelector("[data-said]");
  if (!said) return;
  said.textContent = words;
  said.classList.add("on");
  clearTimeout(saying);
  saying = setTimeout(() => said.classList.remove("on"), LASTS);
});
