// Dark or light: as the system has it, until somebody chooses. The style sheet has both for every colour.

import { recallTheme, rememberTheme } from "./memory.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (recallTheme() ?? (system.matches ? "dark" : "light")) === "dark";

export function startTheme(button) {
  const show = () => {
    document.documentElement.style.colorScheme = isDark() ? "dark" : "light";
    button.setAttribute("aria-pressed", String(isDark()));
  };
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    rememberTheme((theme === "dark") === system.matches ? null : theme); // the system's again: follow it from now on
    show();
  });
  system.addEventListener("change", show);
  show();
}
