// Before and after, one over the other with a line between them, at any zoom.

import { listenTo } from "./gestures.js";
import { drawLayer } from "./layers.js";
import { call } from "./server.js";
import { Tiles } from "./tiles.js";
import { sentence } from "./words.js";

const MOST_ZOOM = 16; // screen pixels for a pixel of the result
const CRISP_FROM = 2; // from this zoom on the pixels of the result are shown as squares
const LEFT = { plain: "Bicubic", pixels: "Original, pixel by pixel", small: "Original, not enlarged" };

export class Viewer {
  constructor(section) {
    const find = (id) => section.querySelector(`#nlc-${id}`);
    Object.assign(this, { section, find, stage: find("stage"), canvas: find("canvas"), split: 0.5, left: "plain", tiles: null, number: 0 });
    this.view = { zoom: 1, left: 0, top: 0, width: 1, height: 1 };
    listenTo(this.stage, {
      move: (dx, dy) => this.move(dx, dy),
      zoomBy: (factor, x, y) => this.zoomTo(this.view.zoom * factor, x, y),
      fit: () => this.fit(),
      whole: (x, y) => this.zoomTo(1, x, y),
      split: (part) => this.shift(part),
      canMove: () => this.view.zoom > this.fitZoom() * 1.001,
      lineAt: () => this.split * this.stage.clientWidth,
    });
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.stage);
  }

  listen() {
    this.find("in").addEventListener("click", () => this.zoomTo(this.view.zoom * 1.5));
    this.find("out").addEventListener("click", () => this.zoomTo(this.view.zoom / 1.5));
    this.find("fit").addEventListener("click", () => this.fit());
    this.find("whole").addEventListener("click", () => this.zoomTo(1));
    this.find("split").addEventListener("input", (event) => this.shift(event.target.value / 100));
    this.find("left").addEventListener("change", (event) => this.choose(event.target.value));
    this.choose(this.find("left").querySelector(":checked").value); // a browser may have kept another choice
  }

  choose(left) {
    this.left = left;
    this.find("before").textContent = LEFT[left];
    this.draw();
  }

  // ---- what is shown ----

  async open(job) {
    const number = ++this.number;
    this.tiles?.close();
    this.tiles = null;
    this.section.hidden = false;
    this.find("viewer-title").textContent = job.name;
    this.find("reading").hidden = true;
    this.tell(job);
    this.note("Preparing the view …");
    this.draw();
    try {
      const view = await call("GET", `jobs/${job.id}/view`);
      if (number !== this.number) return;
      this.tiles = new Tiles(job.id, view, () => this.draw());
      Object.assign(this.view, view.after[0]);
      this.note("");
      this.resize();
      this.fit();
      this.read(job, number);
    } catch (error) {
      if (number === this.number) this.note(sentence(error.message));
    }
  }

  close() {
    this.number += 1;
    this.tiles?.close();
    this.tiles = null;
    this.section.hidden = true;
  }

  // What was found, and what was done, in words. Where the server chose the model, its notes begin with that.
  tell({ model, notes }, found = "") {
    const isTold = !model || notes.some((note) => note.includes(model));
    const done = isTold ? [] : [`${found ? `${found}: enlarged` : "enlarged"} with ${model}`];
    this.find("taken").textContent = [...done, ...notes].map(sentence).join(" ");
    this.find("taken").hidden = !this.find("taken").textContent;
  }

  // What the picture before has been through, as far as can be told from it.
  async read(job, number) {
    const told = await call("GET", `jobs/${job.id}/reading`).catch(() => null);
    if (!told?.length || number !== this.number) return;
    const list = this.find("reading");
    list.replaceChildren();
    this.tell(job, told.find(({ name }) => name === "Found")?.value);
    for (const { name, value } of told.filter((trait) => trait.name !== "Found")) {
      const pair = document.createElement("div");
      pair.append(Object.assign(document.createElement("dt"), { textContent: name }), Object.assign(document.createElement("dd"), { textContent: value }));
      list.append(pair);
    }
    list.hidden = false;
  }

  note(text) { this.find("stage-note").textContent = text; }

  // ---- how it is shown ----

  get ratio() { return window.devicePixelRatio || 1; }

  fitZoom() {
    return Math.min(this.canvas.width / this.view.width, this.canvas.height / this.view.height, 4);
  }

  resize() {
    const wasFit = this.view.zoom <= this.fitZoom() * 1.001;
    this.canvas.width = Math.max(1, Math.round(this.stage.clientWidth * this.ratio));
    this.canvas.height = Math.max(1, Math.round(this.stage.clientHeight * this.ratio));
    if (wasFit) this.fit();
    else this.settle();
  }

  fit() {
    this.view.zoom = this.fitZoom();
    this.settle();
  }

  move(dx, dy) {
    this.view.left += dx * this.ratio;
    this.view.top += dy * this.ratio;
    this.settle();
  }

  // The point at x, y of the stage, or its middle, stays where it is.
  zoomTo(zoom, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    const { view } = this;
    const next = Math.max(this.fitZoom(), Math.min(MOST_ZOOM, zoom));
    const [atX, atY] = [x * this.ratio, y * this.ratio];
    view.left = atX - (atX - view.left) * next / view.zoom;
    view.top = atY - (atY - view.top) * next / view.zoom;
    view.zoom = next;
    this.settle();
  }

  shift(part) {
    this.split = Math.max(0, Math.min(1, part));
    this.find("split").value = Math.round(this.split * 100);
    this.draw();
  }

  // No empty room beside the picture where it could be filled, whole pixels at rest.
  settle() {
    const { view, canvas } = this;
    for (const [place, side] of [["left", "width"], ["top", "height"]]) {
      const free = canvas[side] - view[side] * view.zoom;
      view[place] = free >= 0 ? free / 2 : Math.max(free, Math.min(0, view[place]));
      view[place] = Math.round(view[place]);
    }
    this.stage.style.touchAction = view.zoom > this.fitZoom() * 1.001 ? "none" : "pan-y";
    this.draw();
  }

  draw() {
    this.stage.dataset.drawn = "false";
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      this.paint();
    });
  }

  paint() {
    const { canvas, view, tiles } = this;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.find("line").style.left = `${this.split * 100}%`;
    this.find("zoom").textContent = tiles ? `${Math.round(view.zoom * 100)} %` : "";
    if (!tiles) return;
    tiles.forgetWishes();
    const line = Math.round(this.split * canvas.width);
    this.clipped(context, line, canvas.width, () => drawLayer(context, tiles, "after", view, view.zoom < CRISP_FROM));
    this.clipped(context, 0, line, () => this.paintLeft(context, line));
    tiles.load();
    if (tiles.failed > 3) this.note("Some parts cannot be loaded. The result may have been deleted.");
    this.stage.dataset.drawn = String(!tiles.isLoading);
  }

  paintLeft(context, line) {
    const { tiles, view } = this;
    if (this.left === "plain") drawLayer(context, tiles, "plain", view, view.zoom < CRISP_FROM);
    else if (this.left === "pixels") drawLayer(context, tiles, "before", view, false);
    else drawLayer(context, tiles, "before", this.besides(line), view.zoom < CRISP_FROM);
  }

  // The original with pixels as large as those of the result, and in the middle of its side what is in that of the other.
  besides(line) {
    const { view: { zoom, ...view }, canvas } = this;
    const [{ width, height }] = this.tiles.levels("before");
    const across = ((line + canvas.width) / 2 - view.left) / (view.width * zoom);
    const down = (canvas.height / 2 - view.top) / (view.height * zoom);
    const place = (length, room, part) => Math.round(length <= room ? (room - length) / 2 : room / 2 - part * length);
    return { zoom, width, height, left: place(width * zoom, line, across), top: place(height * zoom, canvas.height, down) };
  }

  clipped(context, from, to, paint) {
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, this.canvas.height);
    context.clip();
    paint();
    context.restore();
  }
}
