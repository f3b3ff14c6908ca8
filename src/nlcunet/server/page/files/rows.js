// One row for each picture: what it is, how it is doing, and what can be done with it.

import { address } from "./server.js";
import { sizeFor } from "./settings.js";
import { sentence, size, time } from "./words.js";

function make(tag, values = {}, ...children) {
  const element = Object.assign(document.createElement(tag), values);
  element.append(...children);
  return element;
}

class Row {
  constructor(picture, actions) {
    Object.assign(this, { picture, actions, thumbnail: "" });
    this.image = make("img", { alt: "", decoding: "async", hidden: true });
    this.open = make("button", { type: "button", className: "nlc-thumb", onclick: () => actions.open(picture) }, this.image);
    this.name = make("strong");
    this.sizes = make("span", { className: "nlc-sizes" });
    this.status = make("span", { className: "nlc-status" });
    this.bar = make("progress", { max: 1 });
    const button = (word, className, act) => make("button", { type: "button", className, textContent: word, onclick: () => act(picture) });
    this.compare = button("Compare", "nlc-button", actions.open);
    this.cancel = button("Cancel", "nlc-quiet", actions.cancel);
    this.again = button("Again", "nlc-quiet", actions.again);
    this.remove = button("Remove", "nlc-quiet", actions.remove);
    this.download = make("a", { className: "nlc-button", textContent: "Download" });
    this.download.setAttribute("download", "");
    const text = make("div", { className: "nlc-text" }, this.name, this.sizes, this.status, this.bar);
    const buttons = make("div", { className: "nlc-actions" }, this.compare, this.download, this.again, this.cancel, this.remove);
    this.element = make("li", {}, this.open, text, buttons);
  }

  show(order, isOpen) {
    const { picture } = this;
    const { state, name } = picture;
    const isReady = picture.isReady;
    this.element.dataset.state = state;
    this.element.classList.toggle("is-open", isOpen);
    put(this.name, name);
    put(this.sizes, this.sizesOf(order));
    put(this.status, this.statusOf());
    this.showBar(state);
    this.showThumbnail();
    this.open.disabled = !isReady;
    this.open.setAttribute("aria-label", isReady ? `Compare before and after of ${name}` : `Small picture of ${name}`);
    this.open.setAttribute("aria-pressed", String(isOpen));
    this.cancel.hidden = picture.isFinal || ["chosen", "unknown"].includes(state) || picture.isCancelling;
    this.again.hidden = !picture.canStartAgain;
    this.remove.hidden = !(picture.isFinal || state === "chosen");
    this.compare.hidden = this.download.hidden = !isReady;
    if (isReady) this.download.href = address(`jobs/${picture.job.id}/result`);
    for (const one of [this.compare, this.cancel, this.again, this.remove, this.download]) label(one, `${one.textContent} ${name}`);
  }

  sizesOf(order) {
    const { width, height, job, phase } = this.picture;
    if (job?.output_width) return `${size(width, height)} → ${size(job.output_width, job.output_height)}`;
    if (!width || this.picture.state === "refused") return "";
    const result = sizeFor(phase === "chosen" ? order : this.picture.order, width, height);
    return `${size(width, height)}${result ? ` → ${size(...result)}` : ""}`;
  }

  statusOf() {
    const { picture } = this;
    const { state } = picture;
    const job = picture.job;
    if (picture.isCancelling && !picture.isFinal) return "Cancelling";
    if (state === "chosen") return picture.isShown ? "Not started" : "Not started; the server will check it";
    if (state === "waiting") return picture.note ? sentence(`waiting to be sent: ${picture.note}`) : "Waiting to be sent";
    if (state === "sending") return picture.sent < 1 ? `Sending, ${Math.floor(100 * picture.sent)} %` : "Checking the file";
    if (state === "unknown") return "Looking for it on the server";
    if (state === "queued") return `Waiting for its turn${left(job)}`;
    if (state === "running") return `${job.tiles ? `${job.tiles_done} of ${job.tiles} ${job.tiles === 1 ? "tile" : "tiles"}` : "Enlarging"}${left(job)}`;
    if (state === "cancelled") return "Cancelled";
    if (state === "done" && !picture.isReady) return "The server has deleted the result: its time was over";
    if (state === "done") return [`Done in ${time(job.seconds ?? 0)}`, ...job.notes].join(". ");
    return sentence(picture.error || job?.error || "It failed");
  }

  showBar(state) {
    const { job, sent } = this.picture;
    const part = { sending: sent, running: job?.progress, queued: 0, waiting: 0 }[state];
    this.bar.hidden = part === undefined;
    if (part !== undefined) this.bar.value = part;
    label(this.bar, `${this.picture.name}: ${state === "sending" ? "sent" : "done"}`);
  }

  showThumbnail() {
    const { url, isShown, job, isReady, isFinal } = this.picture;
    const onServer = job?.created && (isReady || !isFinal) ? address(`jobs/${job.id}/thumbnail`) : "";
    const source = isShown ? url : onServer;
    if (source === this.thumbnail) return;
    this.thumbnail = source;
    this.image.hidden = true;
    this.image.onload = () => { this.image.hidden = false; };
    if (source) this.image.src = source;
    else this.image.removeAttribute("src");
  }
}

const left = (job) => (job.seconds_left > 0 ? `, about ${time(job.seconds_left)} left` : "");

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

function label(element, text) {
  if (element.getAttribute("aria-label") !== text) element.setAttribute("aria-label", text);
}

export class Rows {
  constructor(list, actions) {
    Object.assign(this, { list, actions, rows: new Map() });
  }

  // Rows stay the same elements, so that the focus stays where it is.
  show(pictures, order, open) {
    for (const [picture, row] of this.rows) {
      if (pictures.includes(picture)) continue;
      this.moveFocus(row);
      row.element.remove();
      this.rows.delete(picture);
    }
    pictures.forEach((picture, index) => {
      if (!this.rows.has(picture)) this.rows.set(picture, new Row(picture, this.actions));
      const row = this.rows.get(picture);
      row.show(order, picture === open);
      if (this.list.children[index] !== row.element) this.list.insertBefore(row.element, this.list.children[index] ?? null);
    });
    this.keepFocus();
  }

  // When the row that has the focus goes, the next one gets it.
  moveFocus(row) {
    if (!row.element.contains(document.activeElement)) return;
    const next = row.element.nextElementSibling ?? row.element.previousElementSibling;
    const target = next?.querySelector(".nlc-actions :not([hidden])") ?? document.getElementById("nlc-choose");
    target.focus();
  }

  // When the button that has the focus goes, as Cancel does in the end, its neighbour gets it.
  keepFocus() {
    const active = document.activeElement;
    if (active?.hidden && this.list.contains(active)) {
      active.closest(".nlc-actions")?.querySelector(":not([hidden])")?.focus();
    }
  }
}
