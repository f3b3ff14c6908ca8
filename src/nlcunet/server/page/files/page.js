// The page: settings come from Gradio's components, pictures go to the server, results come back.

import { completeComponents } from "./components.js";
import { forgetJob, recallChoices, rememberChoices } from "./memory.js";
import { Pictures } from "./pictures.js";
import { Rows } from "./rows.js";
import { startTheme } from "./theme.js";
import { Viewer } from "./viewer.js";
import { bytes, pictures as inPictures, time } from "./words.js";

const MOST_PACKED = 200;

const find = (id) => document.getElementById(id);

let facts, names, choices, pictures, rows, viewer, open = null, hasOpened = false;

// ---- settings: called by Gradio, with the values of its components in the order of `names` ----

export function start(givenFacts, givenNames, values) {
  [facts, names] = [givenFacts, givenNames];
  choices = Object.fromEntries(names.map((name, index) => [name, values[index]]));
  const known = recallChoices();
  for (const name of names) {
    if (typeof known[name] === typeof choices[name] || (known[name] !== undefined && choices[name] === null)) choices[name] = known[name];
  }
  if (choices.model && !facts.models[choices.model]) choices.model = "";
  startPage();
  return settled();
}

export function choose(name, values) {
  const before = choices.model;
  choices = Object.fromEntries(names.map((each, index) => [each, values[index]]));
  if (name === "model" && choices.model && choices.model !== before) choices.scale = facts.models[choices.model].scale;
  rememberChoices(choices);
  show();
  return settled();
}

// What the components shall be now.
function settled() {
  const model = modelName();
  const takesStrength = Boolean(facts.models[model]?.takes_strength);
  const info = takesStrength
    ? "0 is faithful to the photograph, 1 is vivid: detail is made up that may not have been there"
    : `Not for ${model}: there are no weights of a vivid (GAN) model for it here`;
  const updates = {
    strength: { __type__: "update", value: choices.strength, interactive: takesStrength, info },
    denoise: { __type__: "update", value: choices.denoise, interactive: takesDenoise() },
  };
  return names.map((name) => updates[name] ?? choices[name]);
}

function takesDenoise() {
  return choices.model ? facts.models[choices.model].takes_denoise : facts.offers_denoise;
}

function modelName() {
  if (choices.model) return choices.model;
  const scale = Number(choices.scale);
  const own = Object.keys(facts.model_for_scale).map(Number).sort((a, b) => a - b);
  return facts.model_for_scale[own.find((one) => one >= scale) ?? own.at(-1)] ?? facts.default_model;
}

// The fields of an order, as REST has them.
function order() {
  const fields = { scale: choices.scale, quality: choices.quality };
  if (choices.model) fields.model = choices.model;
  if (facts.models[modelName()]?.takes_strength && choices.strength > 0) fields.strength = choices.strength;
  if (takesDenoise() && choices.denoise < 1) fields.denoise = choices.denoise;
  if (choices.format) fields.format = choices.format;
  if (choices.file_quality) fields.file_quality = choices.file_quality;
  if (choices.strip_metadata) fields.strip_metadata = true;
  return fields;
}

const isPossible = () => Number(choices.scale) > 0 && Number(choices.scale) <= 64;

// ---- the page ----

function startPage() {
  startTheme(find("nlc-theme"));
  completeComponents(find("nlc-settings"));
  find("nlc-leave").hidden = !facts.asks_for_key;
  const keep = facts.keep_seconds >= 7200 ? `${Math.round(facts.keep_seconds / 3600)} hours` : time(facts.keep_seconds);
  find("nlc-limits").textContent = `PNG, JPEG, WebP, TIFF, HEIF, AVIF, JPEG XL; up to ${bytes(facts.max_upload_bytes)} and `
    + `${Math.round(facts.max_pixels / 1e6)} megapixels. Pictures go to this server only, and are deleted after ${keep}.`;
  viewer = new Viewer(find("nlc-viewer"));
  pictures = new Pictures(facts, { onChange: show, onEnd: tellEnd, onTrouble: tellTrouble });
  rows = new Rows(find("nlc-rows"), {
    open: (picture) => openPicture(picture, true),
    cancel: (picture) => pictures.cancel(picture),
    again: (picture) => pictures.again(picture),
    remove,
  });
  listen();
  pictures.recall();
  show();
}

function listen() {
  const input = find("nlc-files");
  find("nlc-choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => { pictures.add(input.files); input.value = ""; });
  find("nlc-go").addEventListener("click", () => { if (isPossible()) pictures.go(order()); });
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
  rows.show(pictures.all, choices, open);
  find("nlc-list").hidden = !pictures.all.length;
  find("nlc-drop").classList.toggle("is-small", pictures.all.length > 0);
  find("nlc-go").disabled = !chosen || !isPossible();
  find("nlc-go").textContent = chosen ? `Enlarge ${inPictures(chosen)}` : "Enlarge";
  find("nlc-go-note").textContent = isPossible() ? goNote(chosen) : "The enlargement must be above 0 and at most 64.";
  find("nlc-all").hidden = ready.length < 2;
  find("nlc-all").textContent = `Download all ${ready.length}`;
  find("nlc-clear").hidden = pictures.all.length < 2;
  find("nlc-count").textContent = ready.length ? `${ready.length} of ${pictures.all.length} ready` : "";
}

function goNote(chosen) {
  const most = facts.max_output_pixels;
  const area = (picture) => picture.width * picture.height * choices.scale ** 2;
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
