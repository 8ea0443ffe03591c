/** The credential's token, for as long as the tab is open. */
import { signal } from "@preact/signals";

const KEY = "holdfast.token";

/** The token that calls send; empty: none. */
export const token = signal(sessionStorage.getItem(KEY) ?? "");

/** Whether the ledger has asked for a token. */
export const tokenWanted = signal(false);

/** Shows the field for the token. */
export function askForToken(): void {
  tokenWanted.value = true;
}

/** Keeps a token for this tab; empty: forgets it. */
export function setToken(value: string): void {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
  token.value = value;
  tokenWanted.value = false;
}
