import { describe, expect, it } from "vitest";
import { changePercent, currencyExponent, formatAmount, fraction, parseAmount, plainAmount } from "./amount";

const LARGEST = 2n ** 63n - 1n;

describe("formatAmount", () => {
  it.each([
    [0n, 6, "0.00"],
    [1_234_567_890n, 6, "1,234.56789"],
    [-1_500_000n, 6, "−1.50"],
    [LARGEST, 6, "9,223,372,036,854.775807"],
    [LARGEST, 0, "9,223,372,036,854,775,807"],
    [5n, 2, "0.05"],
    [100n, 1, "10.0"],
  ])("writes %s with exponent %s as %s", (value, exponent, text) => {
    expect(formatAmount(value, exponent)).toBe(text);
  });

  it("rounds half away from zero, and never to zero", () => {
    expect(formatAmount(1_235_000n, 6, { most: 2 })).toBe("1.24");
    expect(formatAmount(-1_235_000n, 6, { most: 2 })).toBe("−1.24");
    expect(formatAmount(1n, 6, { most: 2 })).toBe("0.000001");
  });
});

describe("parseAmount", () => {
  it("reads what plainAmount writes, to the unit", () => {
    for (const value of [0n, 1n, -1n, 999_999n, 123_456_789n, LARGEST, -LARGEST]) {
      expect(parseAmount(plainAmount(value, 6), 6)).toBe(value);
    }
  });

  it.each(["", "abc", "1.2.3", "1.1234567", "1e6", "NaN", "9223372036854.775808", "0x10"])("refuses %j", (text) => {
    expect(parseAmount(text, 6)).toBeUndefined();
  });

  it("takes separators of thousands", () => {
    expect(parseAmount(" 1,000.5 ", 6)).toBe(1_000_500_000n);
  });
});

it("tells changes, and nothing where there was nothing", () => {
  expect(changePercent(150n, 100n)).toBe("+50.0 %");
  expect(changePercent(75n, 100n)).toBe("−25.0 %");
  expect(changePercent(3_116n, 10n)).toBe("+31,060 %");
  expect(changePercent(75n, 0n)).toBe("");
});

it("keeps gauges within their frame", () => {
  expect(fraction(150n, 100n)).toBe(1);
  expect(fraction(-5n, 100n)).toBe(0);
  expect(fraction(LARGEST / 2n, LARGEST)).toBeCloseTo(0.5, 3);
  expect(fraction(1n, 0n)).toBe(1);
});

it("knows the decimals of currencies", () => {
  expect([currencyExponent("USD"), currencyExponent("JPY"), currencyExponent("KWD")]).toEqual([2, 0, 3]);
});
