// Replaces the page's main part every two seconds while the page is seen; opened lists stay open.
"use strict";

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/", { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    const current = document.querySelector("main");
    const open = new Set([...current.querySelectorAll("details[open]")].map((list) => list.dataset.key));
    for (const list of fresh.querySelectorAll("details")) list.open = open.has(list.dataset.key);
    current.replaceWith(fresh);
    document.body.classList.remove("stale");
  } catch {
    document.body.classList.add("stale");
  }
}

setInterval(refresh, 2000);
document.addEventListener("visibilitychange", refresh);
