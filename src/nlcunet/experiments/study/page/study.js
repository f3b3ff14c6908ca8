"use strict";

const LARGEST_PIXEL_CSS = 2; // a pixel of a picture is shown at most this large, in CSS pixels: beyond, only squares are seen
const GUARD_MS = 200; // a choice that comes sooner was meant for the pair before
const FEEDBACK_MS = 120;
const RETRY_MS = [1000, 2000, 4000, 8000];

const find = (id) => document.getElementById(id);
const view = () => document.documentElement; // its client size is that of the window, also while zoomed in by pinching
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

const state = { study: null, participant: null, trial: null, zoom: 1, shownAt: 0, isBusy: true };

// ---- the server ----

class Refusal extends Error {
  constructor(status) {
    super(`the server answered ${status}`);
    this.status = status;
  }
}

async function call(address, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(address, options);
  if (!response.ok) throw new Refusal(response.status);
  return response.json();
}

// What can be tried again is, for as long as it takes: answers are counted once, however often they arrive.
async function insist(attempt, complaint) {
  for (let failures = 0; ; failures++) {
    try {
      const result = await attempt();
      find("status").textContent = "";
      return result;
    } catch (error) {
      if (error instanceof Refusal && error.status < 500) throw error;
      find("status").textContent = complaint;
      await wait(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]);
    }
  }
}

// ---- who takes part ----

const storageKey = () => `nlcunet-study-${state.study.study}`;

function recall() {
  try { return localStorage.getItem(storageKey()); } catch { return null; } // storage may be forbidden
}

function remember(participant) {
  state.participant = participant;
  try { localStorage.setItem(storageKey(), participant); } catch { /* then it lasts as long as the page */ }
}

const invitation = () => new URLSearchParams(location.hash.slice(1)).get("invitation");

// ---- pages ----

function show(id, focus) {
  for (const page of document.querySelectorAll("main")) page.hidden = page.id !== id;
  find(focus).focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

async function begin() {
  state.study = await insist(() => call("/api/study"), "The study cannot be reached. Trying again…");
  document.title = state.study.title;
  find("title").textContent = state.study.title;
  find("count").textContent = state.study.trials;
  find("finished-count").textContent = state.study.trials;
  find("consent").textContent = state.study.consent;
  find("welcome-question").textContent = state.study.question;
  find("question").textContent = state.study.question;
  for (const name of [invitation(), recall()].filter((one) => one !== null)) {
    try {
      const standing = await insist(
        () => call(`/api/participants/${encodeURIComponent(name)}`), "The study cannot be reached. Trying again…");
      state.participant = name;
      return proceed(standing);
    } catch { /* not known here: they join first */ }
  }
  if (!state.study.is_open && invitation() === null) return show("refused", "refused-title");
  show("welcome", "title");
}

async function join() {
  find("start").disabled = true;
  try {
    const joined = await insist(
      () => call("/api/participants", { invitation: invitation() }), "The study cannot be reached. Trying again…");
    remember(joined.participant);
    await proceed(joined);
  } catch {
    show("refused", "refused-title");
  } finally {
    find("start").disabled = false;
  }
}

async function proceed(standing) {
  if (standing.trial === null) {
    state.trial = null;
    return show("finished", "thanks");
  }
  await insist(() => load(standing.trial), "The pictures cannot be loaded. Trying again…");
  display(standing);
  if (standing.next !== null) load(standing.next).catch(() => {}); // tried again when it is its turn
}

// ---- a pair ----

const addresses = (trial) => [trial.left, trial.right, ...trial.references.map((one) => one.picture)];
const loaded = new Map(); // address -> decoded picture, of this trial and the next one

async function load(trial) {
  await Promise.all(addresses(trial).map(async (address) => {
    if (loaded.has(address)) return;
    const picture = new Image();
    picture.src = address;
    await picture.decode();
    loaded.set(address, picture);
  }));
}

function display(standing) {
  const trial = standing.trial;
  const isFirst = find("session").hidden;
  state.trial = trial;
  find("left-picture").src = trial.left;
  find("right-picture").src = trial.right;
  find("references").replaceChildren(...trial.references.map(makeFigure));
  find("references").hidden = trial.references.length === 0;
  for (const side of ["left", "right"]) find(side).classList.remove("chosen");
  find("bar").max = standing.total;
  find("bar").value = standing.done;
  find("progress-text").textContent = `${standing.done + 1} of ${standing.total}`;
  find("announcement").textContent = `Pair ${standing.done + 1} of ${standing.total}`;
  if (isFirst) show("session", "question");
  layOut();
  for (const address of loaded.keys()) {
    const wanted = [...addresses(trial), ...(standing.next ? addresses(standing.next) : [])];
    if (!wanted.includes(address)) loaded.delete(address);
  }
  requestAnimationFrame(() => requestAnimationFrame(() => { // by now the pair is on the screen
    state.shownAt = performance.now();
    state.isBusy = false;
  }));
}

function makeFigure(reference) {
  const figure = document.createElement("figure");
  const picture = document.createElement("img");
  const caption = document.createElement("figcaption");
  picture.src = reference.picture;
  picture.alt = reference.label;
  picture.decoding = "sync"; // in the same frame as the two pictures
  picture.draggable = false;
  caption.textContent = reference.label;
  figure.append(picture, caption);
  return figure;
}

async function choose(side) {
  if (state.isBusy || state.trial === null || performance.now() - state.shownAt < GUARD_MS) return;
  state.isBusy = true;
  find(side).classList.add("chosen");
  const answer = {
    participant: state.participant,
    trial: state.trial.trial,
    choice: side,
    time_ms: Math.round(performance.now() - state.shownAt),
    client_width: Math.max(1, view().clientWidth),
    client_height: Math.max(1, view().clientHeight),
    device_pixel_ratio: window.devicePixelRatio || 1,
    zoom: state.zoom,
  };
  try {
    const [standing] = await Promise.all([
      insist(() => call("/api/answers", answer), "Your answer could not be saved yet. Trying again…"),
      wait(FEEDBACK_MS),
    ]);
    await proceed(standing);
  } catch {
    await begin(); // out of step, as with a second window: ask the server where we are
  }
}

// ---- size and place: pixel by pixel ----

// Of "side by side" and "one above the other", the arrangement with the larger whole zoom.
function layOut() {
  if (state.trial === null) return;
  const { width, height, references } = state.trial;
  const ratio = window.devicePixelRatio || 1;
  const stage = find("stage");
  const figures = references.length;
  const label = 2 * parseFloat(getComputedStyle(view()).fontSize); // as study.css has it
  const hasKeys = !window.matchMedia("(pointer: coarse)").matches;
  const room = {
    width: view().clientWidth - 16,
    height: view().clientHeight - document.querySelector("header").offsetHeight - 8,
  };
  const arrangements = [
    { isStacked: false, columns: Math.max(2, figures), rows: figures ? 2 : 1, labels: figures ? 2 : 1 },
    { isStacked: true, columns: Math.max(1, figures), rows: figures ? 3 : 2, labels: (figures ? 1 : 0) + (hasKeys ? 2 : 0) },
  ].map((one) => {
    const wide = (room.width - 16 * (one.columns - 1) - 8 * one.columns) / (one.columns * width);
    const high = (room.height - 16 * (one.rows - 1) - 8 * one.rows - label * one.labels) / (one.rows * height);
    const zoom = Math.floor(Math.min(wide, high, LARGEST_PIXEL_CSS) * ratio + 1e-6);
    return { ...one, zoom, wide: wide * ratio };
  });
  const [side, stacked] = arrangements;
  // where not even one to one fits, the page scrolls, rather up and down
  const best = stacked.zoom > side.zoom || (side.zoom < 1 && side.wide < 1) ? stacked : side;
  state.zoom = Math.max(1, best.zoom);
  stage.classList.toggle("stacked", best.isStacked);
  find("left-name").textContent = best.isStacked ? "Upper" : "Left";
  find("right-name").textContent = best.isStacked ? "Lower" : "Right";
  find("left").setAttribute("aria-label", `${best.isStacked ? "Upper" : "Left"} picture`);
  find("right").setAttribute("aria-label", `${best.isStacked ? "Lower" : "Right"} picture`);
  for (const picture of stage.querySelectorAll("img")) {
    picture.style.width = `${(width * state.zoom) / ratio}px`;
    picture.style.height = `${(height * state.zoom) / ratio}px`;
    picture.style.left = picture.style.top = "0";
  }
  for (const picture of stage.querySelectorAll("img")) snap(picture, ratio);
}

// Move a picture by less than a pixel of the screen onto its grid, so that nothing is interpolated.
function snap(picture, ratio) {
  const { left, top } = picture.getBoundingClientRect();
  picture.style.left = `${Math.round(left * ratio) / ratio - left}px`;
  picture.style.top = `${Math.round(top * ratio) / ratio - top}px`;
}

// ---- input ----

const isStacked = () => find("stage").classList.contains("stacked");
const scrolls = () => view().scrollHeight > view().clientHeight + 1;

function sideOfKey(key) {
  if (key === "1" || key === "ArrowLeft") return "left";
  if (key === "2" || key === "ArrowRight") return "right";
  if (isStacked() && !scrolls()) {
    if (key === "ArrowUp") return "left";
    if (key === "ArrowDown") return "right";
  }
  return null;
}

document.addEventListener("keydown", (event) => {
  if (find("session").hidden || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.repeat && (event.key === "Enter" || event.key === " ")) return event.preventDefault();
  const side = sideOfKey(event.key);
  if (side === null) return;
  event.preventDefault();
  if (!event.repeat) choose(side);
});
find("left").addEventListener("click", () => choose("left"));
find("right").addEventListener("click", () => choose("right"));
find("start").addEventListener("click", join);
window.addEventListener("resize", layOut);
begin();
