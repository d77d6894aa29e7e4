// What makes the portal quicker. Every page and every form works without it.
"use strict";

// The one way from text to markup: whole pages of this very portal.
const pages = window.trustedTypes
  ? trustedTypes.createPolicy("doorward", { createHTML: (text) => text })
  : { createHTML: (text) => text };

const parse = (text) => new DOMParser().parseFromString(pages.createHTML(text), "text/html");

let asked = 0;
/** The address of a page, without a place on it. */
const here = () => location.pathname + location.search;
let shown = here();

/** Fetches a page and shows it in place of this one; where that fails, the browser goes there itself. `form`: what is
 * sent from this page, and is worth keeping. */
async function visit(url, options = {}, { push = true, top = 0, form = null } = {}) {
  const turn = ++asked;
  document.documentElement.classList.add("busy");
  try {
    const answer = await fetch(url, { ...options, headers: { accept: "text/html" } });
    const kind = answer.headers.get("content-type") ?? "";
    if (!kind.startsWith("text/html")) return void location.assign(url);
    const page = parse(await answer.text());
    const isRefused = new URL(answer.url).searchParams.get("done") === "form-not-sent";
    const kept = form && isRefused && page.getElementById("kept");
    if (kept && turn === asked) keepTyped(form, kept);
    // What is answered says nothing of a place on the page.
    else if (turn === asked) show(page, withoutNotice(answer.url) + new URL(url, location).hash, { push, top });
  } catch {
    if (!options.method) location.assign(url);
    else document.querySelector("main").prepend(failed());
  } finally {
    if (turn === asked) document.documentElement.classList.remove("busy");
  }
}

/** The session is over, and what was typed is not: the form stays, and says where to sign in. */
function keepTyped(form, { content }) {
  form.querySelector("[data-kept]")?.remove();
  form.prepend(document.importNode(content, true));
  form.querySelector("[data-kept] a").focus();
}

/** A form that outlived its session is one of the next session, once there is one. */
async function renew(data) {
  const answer = await fetch("/account", { headers: { accept: "text/html" } });
  const field = parse(await answer.text()).querySelector("[name=csrf]");
  if (field) data.set("csrf", field.value);
}

function failed() {
  const line = document.createElement("p");
  line.className = "refused";
  line.setAttribute("role", "alert");
  line.textContent = "The server does not answer. Nothing is known of what was sent: look before you try again.";
  return line;
}

/** What was just done is said once: loading the page again does not say it again. */
function withoutNotice(address) {
  const url = new URL(address);
  url.searchParams.delete("done");
  return url.href;
}

function show(page, url, { push, top }) {
  const same = new URL(url).pathname === location.pathname;
  const isNext = push && url !== location.href;
  if (isNext) keepPlace();
  document.title = page.title;
  const theme = page.documentElement.dataset.theme;
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  document.body.replaceWith(page.body);
  if (isNext) history.pushState(null, "", url);
  shown = here();
  dress(document);
  const place = document.getElementById(decodeURIComponent(new URL(url).hash.slice(1)));
  if (push && place) place.scrollIntoView();
  else if (!push || !same) window.scrollTo(0, top);
  const wrong = document.querySelector(".refused, [aria-invalid]");
  (wrong?.matches(".refused") ? wrong.querySelector("a") ?? wrong : wrong ?? place ?? document.querySelector("[autofocus]") ?? document.querySelector("main"))?.focus({ preventScroll: !wrong });
}

/** Gives new markup what only scripts can give. */
function dress(root) {
  // A token that came in the address stays out of the history, and of what is copied from the bar.
  if (root.querySelector("[data-forget-query]")) history.replaceState(null, "", location.pathname);
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
  // A dialog hides what is outside of it from those who listen, so each has its own place for that.
  for (const place of root.querySelectorAll("main, dialog")) place.append(status());
  for (const time of root.querySelectorAll("time[datetime]")) time.title = new Date(time.dateTime).toLocaleString();
  // What only one page needs comes with that page.
  for (const page of root.querySelectorAll("[data-module]")) import(page.dataset.module);
  for (const tools of root.querySelectorAll("[data-sifter]")) tools.hidden = false;
  for (const count of root.querySelectorAll("[data-counts]")) recount(count);
  const once = root.querySelector("dialog[data-once]");
  if (once) keepOpen(once);
}

/** What is shown once goes only by the way that says so: Escape leads to that way, and closes nothing. */
function keepOpen(dialog) {
  const open = () => {
    dialog.removeAttribute("open");
    dialog.showModal();
  };
  const lead = () => dialog.querySelector(".dialog-foot .primary")?.focus();
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    lead();
  });
  // A browser may close it all the same, where Escape is pressed again and again.
  dialog.addEventListener("close", () => {
    open();
    lead();
  });
  open();
}

const isPlain = (event) => !(event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
const isOurs = (link) => link.origin === location.origin && !link.target && !link.hasAttribute("download") && !link.pathname.startsWith("/docs");

document.addEventListener("click", (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) return void copied(copy);
  const link = event.target.closest("a[href]") ?? rowLink(event);
  if (!link || !isPlain(event) || !isOurs(link)) return;
  if (link.pathname === location.pathname && link.hash) return;
  event.preventDefault();
  visit(link.href);
});

/** The whole row opens the thing, unless something in it was meant or its text is being marked. */
function rowLink(event) {
  if (event.target.closest("button, input, label, summary, [popover]") || String(getSelection())) return null;
  return event.target.closest("tbody tr")?.querySelector("a.name") ?? null;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.target || form.dataset.plain !== undefined) return;
  event.preventDefault();
  if (form.dataset.sent !== undefined) return;
  // What a second click would send once more is on its way.
  if (form.method !== "get") form.dataset.sent = "";
  const data = new FormData(form, event.submitter);
  // A form may have a field that is called `action`: the attribute is what is meant.
  const action = new URL(event.submitter?.getAttribute("formaction") ?? form.getAttribute("action"), location);
  if (form.method === "get") {
    const filled = [...data].filter(([, value]) => value !== "");
    action.search = new URLSearchParams(filled);
    return void visit(action.href);
  }
  post(form, action.href, data).finally(() => delete form.dataset.sent);
});

async function post(form, url, data) {
  // Without an answer there is none to what is sent then either, and that is told.
  if (form.querySelector("[data-kept]")) await renew(data).catch(() => {});
  const isTyped = form.closest("main") && data.has("csrf");
  await visit(url, { method: "POST", body: new URLSearchParams(data) }, { form: isTyped ? form : null });
}

// A choice in a filter is meant at once.
document.addEventListener("change", (event) => {
  if (event.target.matches("form.tools select")) event.target.form.requestSubmit();
});

// What is typed beside a choice makes it; another choice forgets what was typed.
document.addEventListener("input", ({ target }) => {
  if (target.dataset.sifts !== undefined) return sift(target);
  if (target.dataset.chooses && target.value) target.form.elements[target.dataset.chooses].value = target.dataset.choice;
});
document.addEventListener("change", ({ target }) => {
  const typed = target.type === "radio" && target.form?.querySelector(`[data-chooses="${target.name}"]`);
  if (typed && target.value !== typed.dataset.choice) typed.value = "";
  for (const count of document.querySelectorAll("[data-counts]")) recount(count);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.dataset.sifts !== undefined) event.preventDefault();
});

/** Shows the boxes whose words have what was typed in them, and those that are ticked. */
function sift(field) {
  const wanted = field.value.trim().toLowerCase();
  for (const label of document.getElementById(field.dataset.sifts).children) {
    label.hidden = !label.textContent.toLowerCase().includes(wanted) && !label.querySelector(":checked");
  }
}

function recount(count) {
  count.textContent = document.getElementById(count.dataset.counts).querySelectorAll(":checked").length;
}

function status() {
  const place = document.createElement("p");
  place.className = "unseen";
  place.setAttribute("role", "status");
  return place;
}

async function copied(button) {
  const { copy, done } = button.dataset;
  // A second click while it says so would keep those words.
  if (button.textContent === done) return;
  const from = document.getElementById(copy);
  if (navigator.clipboard) await navigator.clipboard.writeText(from.textContent);
  else if (!copiedAsMarked(from)) return;
  const [said, before] = [button.closest("main, dialog").querySelector(":scope > .unseen"), button.textContent];
  said.textContent = button.textContent = done;
  setTimeout(() => { [said.textContent, button.textContent] = ["", before]; }, 1500);
}

/** Without TLS there is no clipboard for scripts: the text is marked, and copied as if by hand where that may be. */
function copiedAsMarked(from) {
  getSelection().selectAllChildren(from);
  return document.execCommand("copy");
}

// A menu closes when something else is clicked, or by Escape.
document.addEventListener("pointerdown", (event) => {
  for (const open of document.querySelectorAll("details.who[open]")) if (!open.contains(event.target)) open.open = false;
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.who[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

// Whoever goes back is where they were on that page.
history.scrollRestoration = "manual";
const keepPlace = () => history.replaceState({ top: window.scrollY }, "");
window.addEventListener("pagehide", keepPlace);
window.addEventListener("popstate", (event) => {
  // A link to a place on this page, such as a field that is wrong, keeps what was typed on it.
  if (here() === shown) return;
  visit(location.href, {}, { push: false, top: event.state?.top ?? 0 });
});
history.replaceState(history.state, "", withoutNotice(location.href));
shown = here();
dress(document);
if (history.state) window.scrollTo(0, history.state.top);
