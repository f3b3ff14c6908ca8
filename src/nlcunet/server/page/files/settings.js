// What a visitor chooses: the browser's own controls, remembered here, and sent to the server as an order.

import { recallChoices, rememberChoices } from "./memory.js";

const NUMBERS = new Set(["scale", "pixels", "strength", "denoise", "file_quality"]);

// Width and height of the result of an order, as the server will round them; nothing if the order has no size.
export function sizeFor(order, width, height) {
  const { scale, width: columns, height: rows, long_edge: longer } = order;
  const [goal, side] = [[scale, 1], [columns, width], [rows, height], [longer, Math.max(width, height)]].find(([one]) => one) ?? [];
  return goal ? [width, height].map((one) => Math.max(1, Math.round(one * goal / side))) : null;
}

export class Settings {
  #form; #facts; #onChange; #model;

  constructor(form, facts, onChange) {
    [this.#form, this.#facts, this.#onChange] = [form, facts, onChange];
    this.#put(recallChoices());
    this.#model = this.choices.model;
    this.#settle();
    form.addEventListener("input", () => this.#changed());
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  // All fields by their names; numbers that are not given are null.
  get choices() {
    const read = (field) => (NUMBERS.has(field.name) ? (Number.isFinite(field.valueAsNumber) ? field.valueAsNumber : null) : field.value);
    const fields = [...this.#form.elements].filter((field) => field.name && (field.type !== "radio" || field.checked));
    return Object.fromEntries(fields.map((field) => [field.name, field.type === "checkbox" ? field.checked : read(field)]));
  }

  get isPossible() {
    const { size_by: by, scale, pixels, file_quality: quality } = this.choices;
    const isSize = by === "scale" ? scale > 0 && scale <= 64 : Number.isInteger(pixels) && pixels >= 1 && pixels <= 1e6;
    return isSize && (quality === null || (Number.isInteger(quality) && quality >= 1 && quality <= 100));
  }

  // The fields of an order, as REST has them.
  get order() {
    const { size_by: by, scale, pixels, quality, model, strength, denoise, format, wrap, file_quality, strip_metadata } = this.choices;
    const fields = { [by]: by === "scale" ? scale : pixels, quality };
    if (model) fields.model = model;
    if (this.#takesStrength && strength > 0) fields.strength = strength;
    if (this.#takesDenoise && denoise < 1) fields.denoise = denoise;
    if (format) fields.format = format;
    if (wrap !== "none") fields.wrap = wrap;
    if (file_quality) fields.file_quality = file_quality;
    if (strip_metadata) fields.strip_metadata = true;
    return fields;
  }

  get #modelName() {
    const { model, scale, size_by: by } = this.choices;
    if (model) return model;
    if (by !== "scale") return this.#facts.default_model;
    const own = Object.keys(this.#facts.model_for_scale).map(Number).sort((a, b) => a - b);
    return this.#facts.model_for_scale[own.find((one) => one >= scale) ?? own.at(-1)] ?? this.#facts.default_model;
  }

  get #takesStrength() {
    return Boolean(this.#facts.models[this.#modelName]?.takes_strength);
  }

  get #takesDenoise() {
    const { model } = this.choices;
    return model ? this.#facts.models[model].takes_denoise : this.#facts.offers_denoise;
  }

  // Remembered values, as far as the controls still have them.
  #put(values) {
    for (const field of this.#form.elements) {
      const value = values[field.name];
      if (value === undefined) continue;
      if (field.type === "checkbox") field.checked = value === true;
      else if (field.type === "radio") field.checked = field.value === value || (field.checked && !this.#has(field.name, value));
      else if (field.tagName === "SELECT" ? this.#has(field.name, value) : Number.isFinite(value)) field.value = value;
    }
  }

  #has(name, value) {
    const field = this.#form.elements[name];
    return [...(field.options ?? field)].some((each) => each.value === value);
  }

  #changed() {
    const { model } = this.choices;
    if (model && model !== this.#model) this.#form.elements.scale.value = this.#facts.models[model].scale;
    this.#model = model;
    rememberChoices(this.choices);
    this.#settle();
    this.#onChange();
  }

  // What follows from the choices.
  #settle() {
    const { size_by: by, scale, pixels, strength, denoise } = this.#form.elements;
    scale.parentElement.hidden = by.value !== "scale";
    pixels.parentElement.hidden = by.value === "scale";
    pixels.labels[0].textContent = by.selectedOptions[0].textContent;
    // What the chosen model cannot do is not shown.
    for (const [slider, isTaken] of [[strength, this.#takesStrength], [denoise, this.#takesDenoise]]) {
      slider.parentElement.hidden = slider.disabled = !isTaken;
      this.#form.querySelector(`output[for="${slider.id}"]`).textContent = Number(slider.value).toFixed(2);
    }
  }
}
