/** Pools of many accounts at once: their sums, and their units. */
import { call } from "../api/client";
import { pools } from "../api/lists";
import { mapLimited, readAll } from "../api/pages";
import { type BalanceTotals, LedgerService, type Pool } from "../contract/holdfast/v1/ledger_service_pb";
import { onlyAccount } from "./caller";

/** So many accounts are looked up to tell amounts in their units; each costs a call. */
const MAX_ACCOUNTS = 200;

/** The sums of all pools that may be read, by currency, the one with most pools first. */
export async function readTotals(signal?: AbortSignal): Promise<BalanceTotals[]> {
  const { totals } = await call(LedgerService.method.getBalanceTotals, { accountId: onlyAccount() }, signal);
  return [...totals].sort((a, b) => (a.poolCount === b.poolCount ? 0 : a.poolCount < b.poolCount ? 1 : -1));
}

/** Names a pool among those of all accounts. */
export function poolKey(accountId: string, poolId: string): string {
  return JSON.stringify([accountId, poolId]);
}

/** The pools of some accounts by name. What cannot be read is left out: it only gives amounts their unit. */
export async function namedPools(accountIds: string[], signal?: AbortSignal): Promise<Map<string, Pool>> {
  const ids = [...new Set(accountIds)].filter(Boolean).slice(0, MAX_ACCOUNTS);
  const lists = await mapLimited(ids, 6, (id) => readAll(pools(id), 1_000, signal).catch(() => []));
  const known = lists.flat().flatMap((one) => one.pool ?? []);
  return new Map(known.map((pool) => [poolKey(pool.accountId, pool.poolId), pool]));
}
