// Dark or light: as the system has it, until somebody chooses.

import { recallTheme, rememberTheme } from "./memory.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (recallTheme() ?? (system.matches ? "dark" : "light")) === "dark";

export function startTheme(button) {
  const show = () => {
    const dark = isDark();
    if (document.body.classList.contains("dark") !== dark) document.body.classList.toggle("dark", dark);
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
    button.setAttribute("aria-pressed", String(dark));
  };
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    rememberTheme((theme === "dark") === system.matches ? null : theme); // the system's again: follow it from now on
    show();
  });
  system.addEventListener("change", show);
  new MutationObserver(show).observe(document.body, { attributeFilter: ["class"] }); // Gradio follows the system
  show();
}
