import { expect, it } from "vitest";
import { pack, toggled, unpack } from "./lists";

it("packs whatever a dimension may be called, also twice", () => {
  const odd = ["model", "a,b", "50%", "ü/ö", "", 'x="1"'];
  expect(unpack(pack(odd))).toEqual(odd);
  expect(unpack(unpack(pack([pack(odd), "z"]))[0] ?? "")).toEqual(odd);
});

it("takes a broken escape as it stands", () => {
  expect(unpack("%zz,b")).toEqual(["%zz", "b"]);
});

it("toggles", () => {
  expect(toggled(["a", "b"], "a")).toEqual(["b"]);
  expect(toggled(["b"], "a")).toEqual(["b", "a"]);
});
