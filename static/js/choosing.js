// Counts what is chosen in a list of parts as it is chosen: [data-count] holds the words, inputs their [data-truth].

const words = document.querySelector("[data-count]");
const parts = [...document.querySelectorAll("[data-choosing] [data-truth]")];

function count() {
  const chosen = parts.filter((part) => part.checked);
  const scratched = chosen.filter((part) => part.dataset.truth === "scratched").length;
  const numbers = { chosen: chosen.length, pool: parts.length, ok: chosen.length - scratched, scratched };
  words.textContent = words.dataset.count.replace(/\{(\w+)\}/g, (_, name) => numbers[name]);
}

if (words && parts.length) {
  document.addEventListener("change", count);
  count();
}
