import { expect, it } from "vitest";
import { addDays, formatTime, startOfDate } from "./time";

it("begins days where the time zone does, on both sides of a change of clocks", () => {
  expect(new Date(startOfDate("2026-03-29", "Europe/Berlin")).toISOString()).toBe("2026-03-28T23:00:00.000Z");
  expect(new Date(startOfDate("2026-03-30", "Europe/Berlin")).toISOString()).toBe("2026-03-29T22:00:00.000Z");
  expect(new Date(startOfDate("2026-10-26", "Europe/Berlin")).toISOString()).toBe("2026-10-25T23:00:00.000Z");
  expect(new Date(startOfDate("2026-11-21", "Asia/Kolkata")).toISOString()).toBe("2026-11-20T18:30:00.000Z");
});

it("writes times in a zone, and none for zero", () => {
  expect(formatTime(1_763_733_787_000n, "UTC")).toBe("2025-11-21 14:03:07");
  expect(formatTime(0n, "UTC")).toBe("");
});

it("counts days over the end of a year", () => {
  expect(addDays("2026-12-31", 1)).toBe("2027-01-01");
});
