/* Asking the server again and again, quietly: what it answers is only what has changed. */

const SLOWEST = 8;

/* Fetch values; null where nothing is new. Whoever is logged out is led to the form. */
export async function ask(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (answer.status === 401) location.reload();
  if (answer.status === 204) return null;
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

/* Ask every few seconds while the page is looked at; a server that is away is asked less often.

   address()    what to ask for
   take(value)  told what is new
   seconds()    until the next question */
export function poll(address, take, seconds) {
  let failures = 0;
  let timer = null;

  async function once() {
    timer = null;
    if (document.visibilityState === "visible") {
      try {
        const value = await ask(address());
        failures = 0;
        if (value !== null) take(value);
      } catch (error) {
        failures += 1;
        console.info("not up to date:", error.message);
      }
      document.documentElement.classList.toggle("away", failures > 0);
    }
    timer = setTimeout(once, 1000 * seconds() * Math.min(SLOWEST, 2 ** failures));
  }

  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible" || timer === null) return;
    clearTimeout(timer);
    once();
  });
  timer = setTimeout(once, 1000 * seconds());
}
