/** Where a pool's balance comes from and goes to, day by day. Pure: amounts and times in, amounts out. */
import { type Grant, GrantState } from "../../contract/holdfast/v1/ledger_service_pb";
import { DAY_MS, ms } from "../../format/time";

/**
 * The settled balance at the end of each past day, the last one being today so far.
 *
 * Walked back from the balance now: what was spent of a day is added again, what was granted is taken away, what
 * expired is added again. What was voided or revived is not in a grant's times, so older figures are near, not exact.
 */
export function pastBalances(posted: bigint, spent: bigint[], grants: Grant[], dayStarts: number[]): bigint[] {
  const balances: bigint[] = new Array<bigint>(dayStarts.length).fill(posted);
  let balance = posted;
  for (let day = dayStarts.length - 1; day > 0; day--) {
    const start = dayStarts[day] ?? 0;
    const end = dayStarts[day + 1] ?? Infinity;
    balance += spent[day] ?? 0n;
    for (const grant of grants) {
      if (took(grant) && within(grant.effectiveAtUnixMs || grant.createdAtUnixMs, start, end)) balance -= grant.amount;
      if (within(grant.expiresAtUnixMs, start, end)) balance += grant.expiredAmount;
    }
    balances[day - 1] = balance;
  }
  return balances;
}

function took(grant: Grant): boolean {
  return grant.state !== GrantState.PENDING && grant.state !== GrantState.VOIDED;
}

function within(time: bigint, start: number, end: number): boolean {
  const at = ms(time);
  return at !== 0 && at >= start && at < end;
}

/** What burns a day, averaged over the last `days` whole days. */
export function dailyBurn(spent: bigint[], days: number): bigint {
  const whole = spent.slice(0, -1).slice(-days);
  if (whole.length === 0) return 0n;
  return whole.reduce((total, value) => total + value, 0n) / BigInt(whole.length);
}

interface Part {
  left: bigint;
  from: number;
  until: number;
}

/** What is foreseen. */
export interface Forecast {
  /** The balance at the end of each day to come, today first. */
  balances: bigint[];
  /** The day, from 0 for today, in which the balance reaches zero; -1: not within the days looked at. */
  emptyDay: number;
  /** What would expire unused in that time. */
  expiring: bigint;
}

/** Burns grants in their order, `burn` a day; they take effect and expire at their times. */
export function foresee(posted: bigint, grants: Grant[], burn: bigint, now: number, days: number): Forecast {
  const parts: Part[] = grants
    .filter(({ state }) => state === GrantState.ACTIVE || state === GrantState.PENDING)
    .map((grant) => ({
      left: grant.remaining,
      from: grant.state === GrantState.PENDING ? ms(grant.effectiveAtUnixMs) : 0,
      until: ms(grant.expiresAtUnixMs) || Infinity,
    }));
  const inForce = parts.reduce((total, part) => (part.from <= now ? total + part.left : total), 0n);
  // What the posted balance lacks of its grants is overdraft, which grants to come repay first.
  let debt = inForce - posted;
  const balances: bigint[] = [];
  let expiring = 0n;
  let emptyDay = -1;
  for (let day = 0; day < days; day++) {
    const at = now + day * DAY_MS;
    debt = burnDay(parts, debt + (day ? burn : 0n), at);
    for (const part of parts) {
      if (part.until > at + DAY_MS) continue;
      expiring += part.left;
      part.left = 0n;
    }
    const balance = parts.reduce((total, part) => (part.from <= at ? total + part.left : total), 0n) - debt;
    balances.push(balance);
    if (balance <= 0n && emptyDay < 0) emptyDay = day;
  }
  return { balances, emptyDay, expiring };
}

/** Takes an amount from the parts in their order; returns what none of them covers. */
function burnDay(parts: Part[], amount: bigint, at: number): bigint {
  let open = amount;
  for (const part of parts) {
    if (open <= 0n) break;
    if (part.from > at) continue;
    const taken = part.left < open ? part.left : open;
    part.left -= taken;
    open -= taken;
  }
  return open;
}
