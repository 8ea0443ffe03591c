import { expect, it } from "vitest";
import { csvCell, csvText } from "./csv";

it.each([
  ["plain", "plain"],
  ["a,b", '"a,b"'],
  ['say "hi"', '"say ""hi"""'],
  ["two\nlines", '"two\nlines"'],
  ["-12.50", "-12.50"],
  ["=1+1", "'=1+1"],
  ["+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"],
  ["-2+3", "'-2+3"],
  ["@SUM(A1)", "'@SUM(A1)"],
  ["\t=1", "'\t=1"],
  ['=HYPERLINK("http://x","y")', '"\'=HYPERLINK(""http://x"",""y"")"'],
])("writes %j as %j", (value, cell) => {
  expect(csvCell(value)).toBe(cell);
});

it("ends each line as RFC 4180 has it", () => {
  expect(csvText(["a", "b"], [["1", "=2"]])).toBe("a,b\r\n1,'=2\r\n");
});
