/** Who is signed in, and so what can be done. */
import { signal } from "@preact/signals";
import { call } from "../api/client";
import { AccessService, type GetCallerResponse, Role } from "../contract/holdfast/v1/access_service_pb";

/** The ledger's answer; undefined until it is there. */
export const caller = signal<GetCallerResponse | undefined>(undefined);

/** Asks the ledger who calls. */
export async function readCaller(): Promise<void> {
  try {
    caller.value = await call(AccessService.method.getCaller, {});
  } catch {
    caller.value = undefined; // The view that is shown tells what is wrong.
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
