/** Times, in the time zone of the view. */
import { Granularity } from "../contract/holdfast/v1/usage_service_pb";

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** The browser's time zone. */
export function ownTimeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

/** Whether the browser knows a time zone. */
export function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

/** Whether a text is a day there is, such as "2026-11-21". */
export function isDate(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));
}

/** Milliseconds of a time of the contract, which is far from 2^53. */
export function ms(time: bigint): number {
  return parseInt(time.toString(), 10);
}

/** Date and time, such as "2026-11-21 14:03:07"; empty for 0, which means none. */
export function formatTime(time: bigint | number, zone = ownTimeZone()): string {
  const at = typeof time === "bigint" ? ms(time) : time;
  if (at === 0) return "";
  const parts = zoned(at, zone);
  return `${isoDate(parts)} ${two(parts.hour)}:${two(parts.minute)}:${two(parts.second)}`;
}

/** A date, such as "2026-11-21"; empty for 0. */
export function formatDate(time: bigint | number, zone = ownTimeZone()): string {
  const at = typeof time === "bigint" ? ms(time) : time;
  return at === 0 ? "" : isoDate(zoned(at, zone));
}

/** A time as far from now as it is, such as "5 min ago" or "in 3 d". */
export function formatAgo(time: bigint | number, now = Date.now()): string {
  const at = typeof time === "bigint" ? ms(time) : time;
  if (at === 0) return "";
  const text = formatSpan(Math.abs(now - at));
  return at > now ? `in ${text}` : `${text} ago`;
}

/** A span in its largest unit. */
export function formatSpan(span: number): string {
  if (span < 1_000) return `${Math.round(span)} ms`;
  if (span < 2 * MINUTE_MS) return `${Math.round(span / 1_000)} s`;
  if (span < 2 * HOUR_MS) return `${Math.round(span / MINUTE_MS)} min`;
  if (span < 2 * DAY_MS) return `${Math.round(span / HOUR_MS)} h`;
  return `${Math.round(span / DAY_MS)} d`;
}

interface Zoned {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function zoned(at: number, zone: string): Zoned {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    formats.set(zone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(at).map((part) => [part.type, parseInt(part.value, 10)]));
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
  return { year, month, day, hour, minute, second };
}

function two(value: number): string {
  return value.toString().padStart(2, "0");
}

function isoDate({ year, month, day }: Zoned): string {
  return `${year.toString().padStart(4, "0")}-${two(month)}-${two(day)}`;
}

/** The moment at which a day ("2026-11-21") begins in a time zone. */
export function startOfDate(date: string, zone: string): number {
  const wanted = Date.parse(`${date}T00:00:00Z`);
  // The offset at the guess may be that of the other side of a change of clocks, so it is looked up twice.
  const guess = wanted - offset(wanted, zone);
  return wanted - offset(guess, zone);
}

function offset(at: number, zone: string): number {
  const { year, month, day, hour, minute, second } = zoned(at, zone);
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1_000) * 1_000;
}

/** The day some days after one, as "2026-11-22". */
export function addDays(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** What stands under a step of a chart. */
export function stepLabel(at: number, granularity: Granularity, zone: string): string {
  const { year, month, day, hour, minute } = zoned(at, zone);
  switch (granularity) {
    case Granularity.MINUTE:
    case Granularity.HOUR:
      return hour === 0 && minute === 0 ? `${day} ${MONTHS[month - 1] ?? ""}` : `${two(hour)}:${two(minute)}`;
    case Granularity.MONTH:
      return `${MONTHS[month - 1] ?? ""} ${year}`;
    case Granularity.QUARTER:
      return `Q${Math.ceil(month / 3)} ${year}`;
    case Granularity.YEAR:
      return year.toString();
    default:
      return `${day} ${MONTHS[month - 1] ?? ""}`;
  }
}

/** A step, whole: in tables and in tips. */
export function stepTitle(at: number, granularity: Granularity, zone: string): string {
  const parts = zoned(at, zone);
  const fine = granularity === Granularity.MINUTE || granularity === Granularity.HOUR;
  return fine ? `${isoDate(parts)} ${two(parts.hour)}:${two(parts.minute)}` : isoDate(parts);
}
