/** Who is signed in, and so what can be done. */
import { signal } from "@preact/signals";
import { call } from "../api/client";
import { AccessService, type GetCallerResponse, Role } from "../contract/holdfast/v1/access_service_pb";
import { token } from "./token";

/** The ledger's answer; undefined until it is there. */
export const caller = signal<GetCallerResponse | undefined>(undefined);

/** Whether it is known who calls; without a token it does not matter to what is shown. */
export const callerKnown = signal(!token.value);

/** Asks the ledger who calls. */
export async function readCaller(): Promise<void> {
  if (token.value) callerKnown.value = false;
  try {
    caller.value = await call(AccessService.method.getCaller, {});
  } catch {
    caller.value = undefined; // The view that is shown tells what is wrong.
  } finally {
    callerKnown.value = true;
  }
}

/** Whether changes may be made; without a credential, where none is required, everything may be. */
export function mayChange(): boolean {
  const role = caller.value?.credential?.role;
  return role === undefined || role === Role.OPERATOR || role === Role.ADMINISTRATOR;
}

/** Whether what belongs to no account may be changed. */
export function mayAdminister(): boolean {
  const role = caller.value?.credential?.role;
  return role === undefined || role === Role.ADMINISTRATOR;
}

/** The only account that may be named; empty: all. */
export function onlyAccount(): string {
  return caller.value?.credential?.accountId ?? "";
}
