/* What is new: the server says that something has changed, and answers with only what has. */

const AWAY = 10000;
/* Milliseconds until a stream that the server has refused is tried again. */

/* Fetch values; null where nothing is new. Whoever is logged out is led to the form. */
export async function ask(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (answer.status === 401) location.reload();
  if (answer.status === 204) return null;
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

/* Ask when the project has changed, while the page is looked at; a hidden page holds no connection.

   address()    what to ask for
   take(value)  told what is new */
export function follow(address, take) {
  let stream = null;
  let asking = false;
  let missed = false;

  function away(yes) { document.documentElement.classList.toggle("away", yes); }

  async function once() {
    if (asking) { missed = true; return; }
    asking = true;
    try {
      do {
        missed = false;
        const value = await ask(address());
        if (value !== null) take(value);
      } while (missed);
      away(false);
    } catch (error) {
      away(true);
      console.info("not up to date:", error.message);
    } finally {
      asking = false;
    }
  }

  function open() {
    stream = new EventSource(document.body.dataset.news);
    stream.onmessage = once;
    stream.onerror = () => {
      away(true);
      if (stream === null || stream.readyState !== EventSource.CLOSED) return;
      close();
      once();
      setTimeout(() => { if (stream === null) look(); }, AWAY);
    };
  }

  function close() {
    if (stream !== null) stream.close();
    stream = null;
  }

  function look() {
    if (document.visibilityState !== "visible") close();
    else if (stream === null) open();
  }

  document.addEventListener("visibilitychange", look);
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", look);
  look();
}
