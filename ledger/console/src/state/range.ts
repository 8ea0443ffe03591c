/** The window of a view: the last days, or from one date to another, in a time zone. All of it in the URL. */
import { Granularity } from "../contract/holdfast/v1/usage_service_pb";
import {
  addDays,
  DAY_MS,
  formatDate,
  HOUR_MS,
  isDate,
  isTimeZone,
  MINUTE_MS,
  ownTimeZone,
  startOfDate,
} from "../format/time";
import { setting } from "./place";

/** A window and the length of its steps. */
export interface Range {
  start: number;
  end: number;
  zone: string;
  granularity: Granularity;
  /** The same window has the same key, so that "the last hour" is not loaded anew each second. */
  key: string;
}

/** The windows that end now. */
export const LAST: [string, string][] = [
  ["1h", "1 h"],
  ["24h", "24 h"],
  ["7d", "7 d"],
  ["30d", "30 d"],
  ["90d", "90 d"],
  ["1y", "1 y"],
];

const DAYS: Record<string, number> = { "7d": 7, "30d": 30, "90d": 90, "1y": 365 };

/** Lengths of steps as they stand in the URL. */
export const STEPS: [string, Granularity, number][] = [
  ["minute", Granularity.MINUTE, MINUTE_MS],
  ["hour", Granularity.HOUR, HOUR_MS],
  ["day", Granularity.DAY, DAY_MS],
  ["week", Granularity.WEEK, 7 * DAY_MS],
  ["month", Granularity.MONTH, 30 * DAY_MS],
  ["quarter", Granularity.QUARTER, 91 * DAY_MS],
  ["year", Granularity.YEAR, 365 * DAY_MS],
];

/** The window that the URL names: `last`, or `from` and `to` (both included dates, or moments of Unix time). */
export function range(otherwise = "7d", now = Date.now()): Range {
  const asked = setting("zone");
  const zone = isTimeZone(asked) ? asked : ownTimeZone();
  const [start, end] = bounds(otherwise, zone, now);
  const step = STEPS.find(([name]) => name === setting("step"));
  const granularity = step ? step[1] : stepFor(end - start);
  return { start, end, zone, granularity, key: `${start}-${end} ${zone} ${granularity}` };
}

function bounds(otherwise: string, zone: string, now: number): [number, number] {
  const from = moment(setting("from"), zone);
  const to = moment(setting("to"), zone, 1);
  if (from !== undefined && to !== undefined && from < to) return [from, to];
  const last = setting("last", otherwise);
  const nextMinute = (Math.floor(now / MINUTE_MS) + 1) * MINUTE_MS;
  if (last === "1h") return [nextMinute - HOUR_MS, nextMinute];
  const nextHour = (Math.floor(now / HOUR_MS) + 1) * HOUR_MS;
  if (last === "24h") return [nextHour - DAY_MS, nextHour];
  const today = formatDate(now, zone);
  const days = DAYS[last] ?? 7;
  return [startOfDate(addDays(today, 1 - days), zone), startOfDate(addDays(today, 1), zone)];
}

function moment(text: string, zone: string, addedDays = 0): number | undefined {
  if (isDate(text)) return startOfDate(addDays(text, addedDays), zone);
  return /^\d{12,13}$/.test(text) ? parseInt(text, 10) : undefined;
}

/** Steps of which a chart has some dozens. */
export function stepFor(span: number): Granularity {
  if (span <= 2 * HOUR_MS) return Granularity.MINUTE;
  if (span <= 3 * DAY_MS) return Granularity.HOUR;
  if (span <= 100 * DAY_MS) return Granularity.DAY;
  return span <= 800 * DAY_MS ? Granularity.MONTH : Granularity.YEAR;
}

/** The URL's settings of a window between two moments: dates where both are midnights, else Unix time. */
export function spanSettings(start: number, end: number, zone: string): Record<string, string | null> {
  const first = formatDate(start, zone);
  const last = formatDate(end - 1, zone);
  const wholeDays = startOfDate(first, zone) === start && startOfDate(addDays(last, 1), zone) === end;
  const [from, to] = wholeDays ? [first, last] : [start.toString(), end.toString()];
  return { from, to, last: null, step: null };
}
