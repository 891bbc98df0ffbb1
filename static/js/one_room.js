// One room per person and browser: the page that was opened last has the parts. An older one covers itself and keeps its
// hands off them, until somebody goes on there; then it is loaded anew and the other one steps aside.

const id = Math.random();
const channel = new BroadcastChannel(`room.${document.querySelector("[data-room-page]").dataset.user}`);
let aside = false;

export const steppedAside = () => aside;

channel.addEventListener("message", ({ data }) => {
  if (data === id || aside) return;
  aside = true;
  document.querySelector("[data-elsewhere]").showModal();
});
document.addEventListener("click", (event) => event.target.closest("[data-go-on-here]") && location.reload());
channel.postMessage(id);
