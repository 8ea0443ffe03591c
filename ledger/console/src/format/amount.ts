/** Amounts are whole numbers of minor units; they are BigInt from the wire to the text. */

const GROUPS = /\B(?=(\d{3})+(?!\d))/g;

/** Which digits of an amount are shown. */
export interface AmountForm {
  /** At least so many decimals, if the unit has them. */
  least?: number;
  /** At most so many decimals: the rest is rounded half away from zero. All of them if unset. */
  most?: number;
}

/** Writes an amount with its decimals, thousands apart. An amount that is not zero never reads as zero. */
export function formatAmount(value: bigint, exponent: number, { least = 2, most = exponent }: AmountForm = {}): string {
  const negative = value < 0n;
  const magnitude = negative ? -value : value;
  const kept = Math.min(exponent, most);
  const rounded = roundTo(magnitude, exponent - kept);
  if (rounded === 0n && magnitude !== 0n) return formatAmount(value, exponent, { least });
  const digits = rounded.toString().padStart(kept + 1, "0");
  const whole = digits.slice(0, digits.length - kept).replace(GROUPS, ",");
  const decimals = trim(digits.slice(digits.length - kept), Math.min(least, kept));
  return (negative ? "−" : "") + whole + (decimals && `.${decimals}`);
}

/** Writes an amount for machines: "-1234.5". */
export function plainAmount(value: bigint, exponent: number): string {
  return formatAmount(value, exponent, { least: 0 }).replaceAll(",", "").replace("−", "-");
}

function roundTo(magnitude: bigint, dropped: number): bigint {
  if (dropped <= 0) return magnitude;
  const unit = 10n ** BigInt(dropped);
  return (magnitude + unit / 2n) / unit;
}

function trim(decimals: string, least: number): string {
  let end = decimals.length;
  while (end > least && decimals[end - 1] === "0") end--;
  return decimals.slice(0, end);
}

const WRITTEN = /^(-?)(\d+)(?:\.(\d+))?$/;

/** Reads what somebody typed, such as "1,000.5"; undefined if it is no amount of that many decimals, or past int64. */
export function parseAmount(text: string, exponent: number): bigint | undefined {
  const match = WRITTEN.exec(text.trim().replaceAll(",", "").replaceAll("_", ""));
  if (!match) return undefined;
  const decimals = match[3] ?? "";
  if (decimals.length > exponent) return undefined;
  const value = BigInt((match[2] ?? "") + decimals.padEnd(exponent, "0"));
  if (value > 2n ** 63n - 1n) return undefined;
  return match[1] ? -value : value;
}

/** A number near an amount, for the pixels of a chart and for nothing else. */
export function approximate(value: bigint, exponent: number): number {
  // eslint-disable-next-line no-restricted-syntax -- the one place
  return Number(value) / 10 ** exponent;
}

/** The change from one amount to another in percent, such as "+12.5 %"; empty where there was nothing. */
export function changePercent(now: bigint, before: bigint): string {
  if (before === 0n) return "";
  const magnitude = before < 0n ? -before : before;
  const permille = ((now - before) * 1000n) / magnitude;
  const form = permille < 10_000n ? { least: 1 } : { most: 0 };
  return `${permille > 0n ? "+" : ""}${formatAmount(permille, 1, form)} %`;
}

/** A share in percent with one decimal. */
export function sharePercent(part: bigint, whole: bigint): string {
  return whole === 0n ? "" : `${formatAmount((part * 1000n) / whole, 1, { least: 1 })} %`;
}

/** A share in 0..1, for the length of a gauge. */
export function fraction(part: bigint, whole: bigint): number {
  if (whole <= 0n) return part > 0n ? 1 : 0;
  const clamped = part < 0n ? 0n : part > whole ? whole : part;
  return approximate((clamped * 10_000n) / whole, 4);
}

/** The decimals of a currency of ISO 4217; 2 for a code that the browser does not know. */
export function currencyExponent(code: string): number {
  try {
    return (
      new Intl.NumberFormat("en", { style: "currency", currency: code }).resolvedOptions().maximumFractionDigits ?? 2
    );
  } catch {
    return 2;
  }
}
