// What makes answers of the playground appear word by word. Without it, the form shows the whole answer.

/** Stands for the chosen key for some minutes. It is here and nowhere else. */
let held = { key: "", token: "", until: 0 };
let running = null;

const field = (form, name) => form.elements.namedItem(name)?.value.trim() ?? "";

/** What was said before, questions and answers by turns: the page keeps it in the form, and nowhere else. */
const said = (form) => [...form.querySelectorAll("[name=said]")].map((input) => input.value);

/** Whether another question fits; the page says so where none does. */
const fits = (form) => {
  const all = said(form);
  const bytes = new Blob([...all, form.elements.namedItem("prompt").value]).size;
  return all.length < 2 * form.dataset.turns && bytes <= form.dataset.bytes;
};

/** What is asked, by its members. */
function members(form) {
  const messages = [];
  if (field(form, "system")) messages.push({ role: "system", content: field(form, "system") });
  const before = said(form);
  before.forEach((content, at) => messages.push({ role: at % 2 ? "assistant" : "user", content }));
  const prompt = form.elements.namedItem("prompt").value;
  // What was just answered stands as code before the next question is typed.
  if (prompt.trim() || !before.length) messages.push({ role: "user", content: prompt });
  const asked = { model: field(form, "model"), messages };
  for (const name of ["temperature", "max_tokens"]) {
    if (field(form, name) !== "") asked[name] = Number(field(form, name));
  }
  return asked;
}

/** Whether the form as a page would take what is typed. */
function isRight(form) {
  const { temperature = 0, max_tokens = 1 } = members(form);
  return field(form, "prompt") !== "" && temperature >= 0 && temperature <= 2 && Number.isInteger(max_tokens) && max_tokens > 0;
}

async function token(form) {
  const key = field(form, "key");
  if (held.key === key && held.until > Date.now()) return held.token;
  const body = new URLSearchParams({ csrf: field(form, "csrf"), key });
  const answer = await fetch("/playground/token", { method: "POST", body });
  // Whoever is signed out is led to sign in.
  if (!answer.headers.get("content-type")?.startsWith("application/json")) return void location.assign("/playground");
  const made = await answer.json();
  if (!answer.ok) throw new Error(made.detail);
  // A little less, for the way that a call takes.
  held = { key, token: made.token, until: Date.parse(made.expires_at) - 10_000 };
  return held.token;
}

/** Each event of a stream, as it comes. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const whole = rest.split(/\r?\n\r?\n/);
    rest = whole.pop();
    for (const event of whole) {
      const data = event.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

async function send(form) {
  running?.abort();
  const turn = running = new AbortController();
  const answered = document.getElementById("answer");
  const prompt = form.elements.namedItem("prompt").value;
  begin(form, prompt);
  const stop = form.querySelector("[data-stop]");
  const act = form.querySelector(".primary");
  document.getElementById("facts").replaceChildren();
  answered.replaceChildren(words(form.dataset.waiting, "soft"));
  answered.setAttribute("aria-busy", "true");
  stop.hidden = false;
  act.disabled = true;
  let id = null;
  try {
    const bearer = await token(form);
    if (!bearer) return;
    const answer = await fetch("/v1/chat/completions", {
      method: "POST",
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      body: JSON.stringify({ ...members(form), stream: true }),
      credentials: "omit",
      signal: turn.signal,
    });
    id = answer.headers.get("x-request-id");
    if (!answer.ok) throw new Error((await answer.json().catch(() => null))?.error?.message ?? form.dataset.failed);
    await read(answer, answered);
    if (turn === running) keep(form, prompt, answered.textContent);
  } catch (error) {
    if (turn.signal.aborted) answered.append(words(` ${form.dataset.stopped}`, "soft"));
    else refuse(answered, error instanceof TypeError ? form.dataset.broken : error.message);
  } finally {
    if (turn === running) {
      answered.removeAttribute("aria-busy");
      stop.hidden = true;
      act.disabled = false;
    }
  }
  if (id && turn === running) tell(id);
}

/** Shows the question, and puts the last one with its answer among those before. */
function begin(form, prompt) {
  const turns = document.getElementById("turns");
  const shown = turns.querySelectorAll(".said").length;
  const [question, answer] = said(form).slice(2 * shown);
  if (answer !== undefined) turns.append(block(question, "asked"), block(answer, "said"));
  turns.hidden = !turns.childElementCount;
  turns.scrollTop = turns.scrollHeight;
  const asked = document.getElementById("asked");
  asked.textContent = prompt;
  asked.hidden = false;
}

/** Takes a question with its answer along to the next one. */
function keep(form, question, answer) {
  for (const value of [question, answer]) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "said", value }));
  }
  form.querySelector("[value=anew]").hidden = false;
  // Who types the next question already keeps it.
  const box = form.elements.namedItem("prompt");
  if (box.value === question) box.value = "";
  spell(form);
}

function block(text, kind) {
  return Object.assign(document.createElement("div"), { className: kind, textContent: text });
}

async function read(answer, said) {
  let begun = false;
  for await (const event of events(answer.body)) {
    if (event.error) throw new Error(event.error.message);
    const delta = event.choices?.[0]?.delta;
    const text = delta?.content || delta?.reasoning_content;
    if (!text) continue;
    if (!begun) said.replaceChildren();
    begun = true;
    said.append(text);
  }
  if (!begun) said.replaceChildren();
}

function refuse(said, text) {
  said.querySelector(".soft")?.remove();
  if (said.textContent) said.append("\n");
  said.append(words(text, "wrong"));
}

function words(text, kind) {
  const line = document.createElement("span");
  line.className = kind;
  line.textContent = text;
  return line;
}

/** What the call used, cost and took. One that was stopped is settled a moment later. */
async function tell(id) {
  for (const wait of [0, 300, 1_000, 3_000]) {
    await new Promise((done) => setTimeout(done, wait));
    const answer = await fetch(`/playground/calls/${encodeURIComponent(id)}`);
    if (!answer.ok || !answer.headers.get("content-type")?.startsWith("application/json")) continue;
    const facts = (await answer.json()).map(([name, value]) => {
      const pair = document.createElement("div");
      for (const [kind, text] of [["dt", name], ["dd", value]]) {
        pair.append(Object.assign(document.createElement(kind), { textContent: text }));
      }
      return pair;
    });
    return void document.getElementById("facts")?.replaceChildren(...facts);
  }
}

const spellings = {
  curl: (asked) => `{${asked.map(([name, value]) => `"${name}": ${value}`).join(", ")}}`.replaceAll("'", "'\\''"),
  python: (asked) => asked.map(([name, value]) => `    ${name}=${value},`).join("\n"),
  javascript: (asked) => asked.map(([name, value]) => `  ${name}: ${value},`).join("\n"),
};

/** The code says what is typed. */
function spell(form) {
  const asked = Object.entries(members(form)).filter(([, value]) => !Number.isNaN(value)).map(([name, value]) => [name, JSON.stringify(value)]);
  for (const span of document.querySelectorAll("[data-spelled]")) span.textContent = spellings[span.dataset.spelled](asked);
}

const ours = (element) => element.closest?.("form[data-stream]");

// Before the portal's own listener, which would send the form as a page.
document.addEventListener("submit", (event) => {
  const form = ours(event.target);
  if (!form || ["models", "anew"].includes(event.submitter?.value)) return;
  // What is wrong is refused by the form as a page, which says so beside the field.
  if (!isRight(form) || !fits(form)) return;
  event.preventDefault();
  send(form);
}, true);

document.addEventListener("input", (event) => {
  const form = ours(event.target);
  if (form) spell(form);
});

document.addEventListener("change", (event) => {
  const form = ours(event.target);
  if (form && event.target.name === "key") form.requestSubmit(form.querySelector("[data-models]"));
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-stop]")) running?.abort();
});
