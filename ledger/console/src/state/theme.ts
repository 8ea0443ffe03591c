/** Light or dark: the system's choice, or the one made here, which is kept. */
import { computed, effect, signal } from "@preact/signals";

const KEY = "holdfast.theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(system.matches);
system.addEventListener("change", (event) => {
  systemIsDark.value = event.matches;
});

const chosen = signal(localStorage.getItem(KEY) ?? "");

/** "light" or "dark". */
export const theme = computed(() => chosen.value || (systemIsDark.value ? "dark" : "light"));

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
});

/** Changes to the other theme, and keeps it. */
export function toggleTheme(): void {
  chosen.value = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem(KEY, chosen.value);
}
