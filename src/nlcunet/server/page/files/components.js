// What Gradio's components leave out for those who use the page by ear or by keyboard.

export function completeComponents(root) {
  for (const block of root.querySelectorAll(".block")) {
    const info = block.querySelector(".info-text");
    const inputs = block.querySelectorAll("input, [role=combobox]");
    if (!info) continue;
    info.id ||= `nlc-info-${Math.random().toString(36).slice(2)}`;
    for (const input of inputs) input.setAttribute("aria-describedby", info.id);
  }
  for (const group of root.querySelectorAll("fieldset")) {
    group.setAttribute("role", "radiogroup");
    group.setAttribute("aria-label", group.querySelector("[data-testid=block-info]").textContent.trim());
  }
  for (const [id, name] of [["nlc-strength", "Strength"], ["nlc-denoise", "Denoise"]]) {
    for (const input of root.querySelectorAll(`#${id} input`)) input.setAttribute("aria-label", name);
  }
  const more = root.querySelector(".gr-accordion button");
  const tell = () => more.setAttribute("aria-expanded", String(more.classList.contains("open")));
  more.querySelector(".icon").setAttribute("aria-hidden", "true");
  new MutationObserver(tell).observe(more, { attributeFilter: ["class"] });
  tell();
}
