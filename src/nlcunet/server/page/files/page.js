// The page: pictures go to the server as the settings say, results come back.

import { forgetJob, recallOnTheWay, rememberOnTheWay } from "./memory.js";
import { Pictures } from "./pictures.js";
import { Rows } from "./rows.js";
import { Settings, sizeFor } from "./settings.js";
import { startTheme } from "./theme.js";
import { Viewer } from "./viewer.js";
import { bytes, pictures as inPictures, time } from "./words.js";

const MOST_PACKED = 200;

const find = (id) => document.getElementById(id);

const facts = JSON.parse(find("nlc-facts").textContent);
let settings, pictures, rows, viewer, open = null, hasOpened = false;

function startPage() {
  startTheme(find("nlc-theme"));
  find("nlc-leave").hidden = !facts.asks_for_key;
  const keep = facts.keep_seconds >= 7200 ? `${Math.round(facts.keep_seconds / 3600)} hours` : time(facts.keep_seconds);
  find("nlc-limits").textContent = `${facts.formats.join(", ")}; up to ${bytes(facts.max_upload_bytes)} and `
    + `${Math.round(facts.max_pixels / 1e6)} megapixels. Pictures go to this server only, and are deleted after ${keep}.`;
  settings = new Settings(find("nlc-form"), facts, show);
  viewer = new Viewer(find("nlc-viewer"));
  pictures = new Pictures(facts, { onChange: show, onEnd: tellEnd, onTrouble: tellTrouble });
  rows = new Rows(find("nlc-rows"), {
    open: (picture) => openPicture(picture, true),
    cancel: (picture) => pictures.cancel(picture),
    again: (picture) => pictures.again(picture),
    remove,
  });
  listen();
  pictures.addLost(recallOnTheWay());
  pictures.recall();
  show();
}

function listen() {
  const input = find("nlc-files");
  find("nlc-choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => { pictures.add(input.files); input.value = ""; });
  find("nlc-go").addEventListener("click", () => { if (settings.isPossible) pictures.go(settings.order); });
  find("nlc-clear").addEventListener("click", removeAll);
  find("nlc-zip").addEventListener("submit", fillZip);
  listenToDrops();
  addEventListener("paste", (event) => { if (event.clipboardData?.files.length) pictures.add(event.clipboardData.files); });
  addEventListener("beforeunload", (event) => { if (pictures.in("waiting", "sending").length) event.preventDefault(); });
}

function listenToDrops() {
  let depth = 0;
  const mark = (change) => {
    depth = change === 0 ? 0 : depth + change;
    document.body.classList.toggle("nlc-dragging", depth > 0);
  };
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => { if (hasFiles(event)) { event.preventDefault(); mark(1); } });
  addEventListener("dragleave", (event) => { if (hasFiles(event)) mark(-1); });
  addEventListener("dragover", (event) => { if (hasFiles(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(0);
    pictures.add(event.dataTransfer.files);
  });
}

function show() {
  const chosen = pictures.in("chosen").length;
  const ready = pictures.all.filter((picture) => picture.isReady);
  if (open && !pictures.all.includes(open)) openPicture(null);
  rememberOnTheWay(pictures.in("chosen", "waiting", "sending").map((picture) => picture.name));
  rows.show(pictures.all, settings.order, open);
  find("nlc-list").hidden = !pictures.all.length;
  find("nlc-drop").classList.toggle("is-small", pictures.all.length > 0);
  find("nlc-go").disabled = !chosen || !settings.isPossible;
  find("nlc-go").textContent = chosen ? `Enlarge ${inPictures(chosen)}` : "Enlarge";
  find("nlc-go-note").textContent = settings.isPossible ? goNote(chosen) : "The enlargement must be above 0 and at most 64, a side 1 to 1,000,000 whole pixels, the file quality 1 to 100.";
  find("nlc-all").hidden = ready.length < 2;
  find("nlc-all").textContent = `Download all ${ready.length}`;
  find("nlc-clear").hidden = pictures.all.length < 2;
  find("nlc-count").textContent = ready.length ? `${ready.length} of ${pictures.all.length} ready` : "";
}

function goNote(chosen) {
  const most = facts.max_output_pixels;
  const { order } = settings;
  const area = ({ width, height }) => sizeFor(order, width, height).reduce((one, other) => one * other);
  const large = pictures.in("chosen").filter((picture) => picture.width && area(picture) > most);
  if (large.length) return `${large[0].name} would have more than ${Math.round(most / 1e6)} megapixels, the most that this server makes.`;
  return pictures.all.length ? "" : "Choose pictures first.";
}

function tellEnd(picture) {
  const words = { done: "is ready", failed: "failed", cancelled: "is cancelled", refused: "was not taken" };
  find("nlc-said").textContent = `${picture.name} ${words[picture.state]}`;
  if (picture.isReady && !open && !hasOpened) openPicture(picture); // the first one; from then on it is the visitor's choice
}

function tellTrouble(text) {
  const place = find("nlc-trouble");
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
}

function openPicture(picture, scrolls = false) {
  open = picture;
  if (picture) {
    hasOpened = true;
    viewer.open(picture.job);
    if (scrolls) find("nlc-viewer").scrollIntoView({ block: "nearest", behavior: "smooth" });
  } else viewer.close();
  show();
}

async function remove(picture) {
  if (picture.isReady && !confirm(`Delete the enlarged ${picture.name} on the server?`)) return;
  await pictures.remove(picture);
}

async function removeAll() {
  const ready = pictures.all.filter((picture) => picture.isReady).length;
  if (!confirm(`Remove all pictures${ready ? `, and delete ${ready} enlarged on the server` : ""}?`)) return;
  for (const picture of [...pictures.all]) {
    if (!picture.isFinal) await pictures.cancel(picture);
    else await pictures.remove(picture);
  }
  for (const picture of pictures.in("cancelled")) {
    forgetJob(picture.job.id);
    pictures.drop(picture);
  }
}

// The ids go into the form just before it is sent.
function fillZip(event) {
  const form = event.currentTarget;
  for (const old of form.querySelectorAll("input")) old.remove();
  for (const picture of pictures.all.filter((one) => one.isReady).slice(0, MOST_PACKED)) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "ids", value: picture.job.id }));
  }
}

startPage();
