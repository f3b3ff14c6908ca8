// The pictures of this browser: chosen ones, those on their way, and jobs on the server, found again after a reload.

import { forgetJob, onJobsElsewhere, recallJobs, rememberJob } from "./memory.js";
import { call, Refusal, send } from "./server.js";
import { bytes } from "./words.js";

const POLL_MS = 1000;
const POLL_HIDDEN_MS = 5000;
const MOST_ASKED = 200;
const MOST_TRIES = 4;
const HEAD_BYTES = 1024; // by which the server knows a format
const LOST = "This file had not reached the server whole when the page was left: choose it again.";

const clock = { ahead: 0 }; // milliseconds by which the server's clock is ahead of this machine's

const FINAL = new Set(["done", "failed", "cancelled"]);
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// phase: chosen → waiting → sending → job; or refused, with what is wrong in `error`.
class Picture {
  constructor(values) {
    Object.assign(this, { name: "picture", phase: "chosen", sent: 0, error: "", note: "", isCancelling: false }, values);
  }

  get state() { return this.phase === "job" ? this.job.state : this.phase; }
  get isFinal() { return this.phase === "refused" || (this.phase === "job" && FINAL.has(this.job.state)); }
  get isReady() { return this.state === "done" && Date.parse(this.job.expires) > Date.now() + clock.ahead; }
  get canStartAgain() { return Boolean(this.file) && ["cancelled", "failed", "refused"].includes(this.state) && !this.isWrong; }
}

export class Pictures {
  constructor(limits, { onChange, onEnd, onTrouble }) {
    Object.assign(this, { limits, onChange, onEnd, onTrouble, all: [], isSending: false, isPolling: false });
    onJobsElsewhere(() => this.recall());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.poll(); });
  }

  in(...states) { return this.all.filter((picture) => states.includes(picture.state)); }

  // ---- choosing ----

  add(files) {
    for (const file of files) {
      const picture = new Picture({ file, name: file.name || "picture" });
      const wrong = this.whatIsWrong(file);
      if (wrong) Object.assign(picture, { phase: "refused", error: wrong, isWrong: true });
      else {
        this.measure(picture);
        this.look(picture);
      }
      this.all.push(picture);
    }
    this.onChange();
  }

  // What can be known before a file is sent; the server looks closer, first at its beginning.
  whatIsWrong(file) {
    if (file.type && !file.type.startsWith("image/")) return `This file must be a picture: got ${file.type}; export it as JPEG or PNG.`;
    if (!file.size) return "This file is empty.";
    const most = this.limits.max_upload_bytes;
    return file.size > most ? `This file has ${bytes(file.size)}; this server takes at most ${bytes(most)}.` : "";
  }

  async look(picture) {
    try {
      await call("POST", "look", picture.file.slice(0, HEAD_BYTES));
    } catch (error) {
      if (error.status !== 415 || picture.phase !== "chosen") return;
      Object.assign(picture, { phase: "refused", error: error.message, isWrong: true });
      this.onEnd(picture);
      this.onChange();
    }
  }

  // Files that had not arrived when the page was left, by their names: only the visitor can choose them again.
  addLost(names) {
    for (const name of names) this.all.push(new Picture({ name, phase: "refused", error: LOST, isWrong: true }));
  }

  // Most browsers can show most formats; for the rest the server tells size and shows a small picture later.
  measure(picture) {
    const image = new Image();
    picture.url = URL.createObjectURL(picture.file);
    image.onload = () => {
      Object.assign(picture, { width: image.naturalWidth, height: image.naturalHeight, isShown: true });
      const most = this.limits.max_pixels;
      if (picture.phase === "chosen" && picture.width * picture.height > most) {
        const error = `This picture has ${(picture.width * picture.height / 1e6).toFixed(0)} megapixels; this server takes at most ${(most / 1e6).toFixed(0)}.`;
        Object.assign(picture, { phase: "refused", error, isWrong: true });
      }
      this.onChange();
    };
    image.onerror = () => this.release(picture);
    image.src = picture.url;
  }

  release(picture) {
    if (picture.url) URL.revokeObjectURL(picture.url);
    Object.assign(picture, { url: undefined, isShown: false });
    this.onChange();
  }

  // ---- sending ----

  go(order) {
    for (const picture of this.in("chosen")) Object.assign(picture, { phase: "waiting", order });
    this.onChange();
    this.sendAll();
  }

  async sendAll() {
    if (this.isSending) return;
    this.isSending = true;
    for (let picture; (picture = this.in("waiting")[0]); ) {
      if (await this.hasRoom(picture) && picture.phase === "waiting") await this.sendOne(picture);
    }
    this.isSending = false;
  }

  // Whether one more would be taken now; else the time to ask again has passed when this returns.
  async hasRoom(picture) {
    let refusal = "", pause = 2;
    try {
      const answer = await call("POST", "jobs", { ids: [] });
      this.onTrouble("");
      if (!answer.refusal) return true;
      [refusal, pause] = [answer.refusal, Math.min(10, Math.max(1, answer.retry_after ?? 5))];
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.onTrouble(`${error.message} It is tried again.`);
    }
    picture.note = refusal;
    this.onChange();
    await wait(1000 * pause);
    return false;
  }

  async sendOne(picture) {
    Object.assign(picture, { phase: "sending", sent: 0, note: "", tries: (picture.tries ?? 0) + 1, controller: new AbortController() });
    this.onChange();
    const onProgress = (part) => { picture.sent = part; this.onChange(); };
    try {
      const job = await send(picture.file, picture.order, onProgress, picture.controller.signal);
      rememberJob(job.id);
      Object.assign(picture, { phase: "job", job });
      this.poll();
    } catch (error) {
      if (error.name === "AbortError") this.drop(picture);
      else if (!(error instanceof Refusal)) throw error;
      else if ((error.isLost || error.status === 429) && picture.tries < MOST_TRIES) {
        picture.phase = "waiting";
        await wait(1000 * picture.tries);
      } else {
        Object.assign(picture, { phase: "refused", error: error.message, isWrong: !error.isLost, tries: 0 });
        this.onEnd(picture);
      }
    }
    this.onChange();
  }

  // ---- jobs ----

  // The jobs that this browser has sent, from this page or before.
  recall() {
    const known = new Set(this.all.map((picture) => picture.job?.id));
    for (const id of recallJobs()) {
      if (!known.has(id)) this.all.push(new Picture({ phase: "job", job: { id, state: "unknown" } }));
    }
    this.poll();
  }

  async poll() {
    if (this.isPolling) return;
    this.isPolling = true;
    for (let open; (open = this.all.filter((picture) => picture.phase === "job" && !picture.isFinal)).length; ) {
      await this.ask(open.slice(0, MOST_ASKED));
      if (this.all.some((picture) => picture.phase === "job" && !picture.isFinal)) {
        await wait(document.hidden ? POLL_HIDDEN_MS : POLL_MS);
      }
    }
    this.isPolling = false;
  }

  async ask(open) {
    try {
      const answer = await call("POST", "jobs", { ids: open.map((picture) => picture.job.id) });
      this.onTrouble("");
      clock.ahead = Date.parse(answer.time) - Date.now();
      const jobs = new Map(answer.jobs.map((job) => [job.id, job]));
      for (const picture of open) this.update(picture, jobs.get(picture.job.id));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.onTrouble(`${error.message} It is tried again.`);
    }
    this.onChange();
  }

  update(picture, job) {
    if (!job) { // forgotten by the server, long after its files went
      forgetJob(picture.job.id);
      this.drop(picture);
      return;
    }
    const wasSeen = picture.job.state !== "unknown";
    Object.assign(picture, { job, name: job.name, width: job.width, height: job.height });
    if (picture.isFinal && wasSeen) this.onEnd(picture);
  }

  // ---- ending ----

  async cancel(picture) {
    if (picture.phase === "sending") return picture.controller.abort();
    if (picture.phase !== "job") return this.drop(picture);
    picture.isCancelling = true;
    this.onChange();
    await this.discard(picture);
    return this.poll();
  }

  async remove(picture) {
    if (picture.phase === "job" && !(await this.discard(picture))) return;
    if (picture.phase === "job") forgetJob(picture.job.id);
    this.drop(picture);
  }

  // Whether the server has done it, or knows no such job.
  async discard(picture) {
    try {
      await call("DELETE", `jobs/${picture.job.id}`);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.status !== 404) {
        picture.isCancelling = false;
        this.onTrouble(error.message);
        return false;
      }
    }
    return true;
  }

  again(picture) {
    if (picture.phase === "job") forgetJob(picture.job.id);
    Object.assign(picture, { phase: "chosen", job: undefined, error: "", isCancelling: false, tries: 0 });
    this.onChange();
  }

  drop(picture) {
    this.all = this.all.filter((one) => one !== picture);
    this.release(picture);
  }
}
