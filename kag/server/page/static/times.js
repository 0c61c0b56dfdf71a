/* Times in the reader's own zone; the server writes UTC. */

const two = (part) => String(part).padStart(2, "0");

export function clock(time) {
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

export function localise(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const time = new Date(element.dateTime);
    element.textContent = clock(time);
    element.title = `${element.dateTime} (UTC)`;
  }
}

localise(document);
