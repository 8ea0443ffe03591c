/** Pools of many accounts at once, for figures over all of them. */
import { accounts, pools } from "../api/lists";
import { mapLimited, readAll } from "../api/pages";
import type { Pool, PoolWithBalance } from "../contract/holdfast/v1/ledger_service_pb";
import { onlyAccount } from "./caller";

/** So many accounts are summed; each costs a call. */
const MAX_ACCOUNTS = 200;

/** Pools, and whether they are all that there are. */
export interface Pools {
  pools: PoolWithBalance[];
  accountCount: number;
  complete: boolean;
}

/** Reads the pools of the first accounts. */
export async function readPools(signal?: AbortSignal): Promise<Pools> {
  const own = onlyAccount();
  const page = own ? { items: [own], next: "" } : await firstAccounts(signal);
  const ids = page.items.slice(0, MAX_ACCOUNTS);
  const lists = await mapLimited(ids, 6, (id) => readAll(pools(id), 1_000, signal));
  return { pools: lists.flat(), accountCount: ids.length, complete: !page.next && ids.length === page.items.length };
}

async function firstAccounts(signal?: AbortSignal): Promise<{ items: string[]; next: string }> {
  const page = await accounts("", signal);
  return { items: page.items.map((account) => account.accountId), next: page.next };
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

/** Sums over pools of one currency. */
export interface CurrencySums {
  currency: string;
  exponent: number;
  posted: bigint;
  leased: bigint;
  free: bigint;
  overdraft: bigint;
  bound: bigint;
  allowances: bigint;
}

/** Sums by currency, the one with most pools first. */
export function sumPools(all: PoolWithBalance[]): CurrencySums[] {
  const sums = new Map<string, CurrencySums & { count: number }>();
  for (const { pool, balance } of all) {
    if (!pool || !balance) continue;
    const key = `${pool.currency} ${pool.currencyExponent}`;
    const sum = sums.get(key) ?? {
      currency: pool.currency,
      exponent: pool.currencyExponent,
      posted: 0n,
      leased: 0n,
      free: 0n,
      overdraft: 0n,
      bound: 0n,
      allowances: 0n,
      count: 0,
    };
    sum.posted += balance.posted;
    sum.leased += balance.leased;
    sum.free += balance.free;
    sum.overdraft += balance.overdraft;
    sum.bound += balance.overdraftBound;
    sum.allowances += balance.allowanceLeased;
    sum.count += 1;
    sums.set(key, sum);
  }
  return [...sums.values()].sort((a, b) => b.count - a.count);
}
