import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { type Grant, GrantSchema, GrantState } from "../../contract/holdfast/v1/ledger_service_pb";
import { DAY_MS } from "../../format/time";
import { dailyBurn, foresee, pastBalances } from "./forecast";

const NOW = 1_000 * DAY_MS;

function grant(fields: Partial<Omit<Grant, "$typeName">>): Grant {
  return create(GrantSchema, { state: GrantState.ACTIVE, ...fields });
}

it("burns grants in their order until nothing is left", () => {
  const grants = [grant({ remaining: 30n }), grant({ remaining: 25n })];
  const { balances, emptyDay } = foresee(55n, grants, 10n, NOW, 8);
  expect(balances).toEqual([55n, 45n, 35n, 25n, 15n, 5n, -5n, -15n]);
  expect(emptyDay).toBe(6);
});

it("loses what expires, and takes what is to come", () => {
  const grants = [
    grant({ remaining: 30n, expiresAtUnixMs: BigInt(NOW + 2 * DAY_MS) }),
    grant({ remaining: 50n, state: GrantState.PENDING, effectiveAtUnixMs: BigInt(NOW + 2 * DAY_MS) }),
  ];
  const { balances, expiring } = foresee(30n, grants, 10n, NOW, 4);
  expect(balances).toEqual([30n, 0n, 40n, 30n]);
  expect(expiring).toBe(20n);
});

it("repays overdraft first", () => {
  const grants = [grant({ remaining: 50n, state: GrantState.PENDING, effectiveAtUnixMs: BigInt(NOW + DAY_MS) })];
  expect(foresee(-20n, grants, 10n, NOW, 3).balances).toEqual([-20n, 20n, 10n]);
});

it("walks back from the balance now", () => {
  const days = [0, 1, 2].map((day) => NOW + day * DAY_MS);
  const grants = [grant({ amount: 100n, effectiveAtUnixMs: BigInt(NOW + DAY_MS + 5) })];
  expect(pastBalances(70n, [1n, 10n, 20n], grants, days)).toEqual([0n, 90n, 70n]);
});

it("averages whole days alone", () => {
  expect(dailyBurn([100n, 10n, 20n, 999n], 2)).toBe(15n);
  expect(dailyBurn([5n], 7)).toBe(0n);
});
