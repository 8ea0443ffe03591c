/** Keys: `g` and a letter goes to a view. They can be turned off, since some assistive tools type letters. */
import { signal } from "@preact/signals";
import { go } from "./place";
import { toggleTheme } from "./theme";

const KEY = "holdfast.shortcuts";

/** Whether single keys do anything. */
export const shortcutsOn = signal(localStorage.getItem(KEY) !== "off");

/** Whether the page of shortcuts is shown. */
export const helpShown = signal(false);

/** The views in the order of the menu: path, name, key. */
export const VIEWS: [path: string, name: string, key: string][] = [
  ["/", "Overview", "o"],
  ["/usage", "Usage", "u"],
  ["/accounts", "Accounts", "a"],
  ["/decisions", "Decisions", "d"],
  ["/sidecars", "Sidecars", "s"],
  ["/entries", "Entries", "e"],
  ["/revenue", "Revenue", "r"],
  ["/meters", "Meters", "m"],
  ["/audit", "Audit trail", "t"],
];

/** Turns single keys on or off, and keeps that. */
export function setShortcuts(on: boolean): void {
  shortcutsOn.value = on;
  localStorage.setItem(KEY, on ? "on" : "off");
}

let going = false;

function typing(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, select, textarea, dialog[open]") !== null;
}

/** Answers a key. */
export function onKey(event: KeyboardEvent): void {
  if (!shortcutsOn.value || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const view = going ? VIEWS.find(([, , key]) => key === event.key) : undefined;
  going = event.key === "g" && !going;
  if (view) go(view[0]);
  else if (event.key === "?") helpShown.value = true;
  else if (event.key === "l") toggleTheme();
  else if (event.key === "/") document.querySelector<HTMLElement>("main input, main select")?.focus();
  else return;
  event.preventDefault();
}
