// What a person has chosen for this browser, from day to day. Without storage each page begins with the default.

export function recall(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // A private window, or a full store: the choice lasts as long as the page.
  }
}
