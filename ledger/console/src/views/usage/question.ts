/** What the usage view asks: read from the URL, answered by QueryUsage. */
import { allUsage, usageKeys, type UsageQuestion } from "../../api/lists";
import { FilterOperator, UsageMeasure, type UsageCell } from "../../contract/holdfast/v1/usage_service_pb";
import { pack, unpack } from "../../state/lists";
import { setting } from "../../state/place";
import { type Range, range } from "../../state/range";

/** What is summed: its name in the URL, what people read, and the key that keeps unlike units apart. */
export const MEASURES = [
  { name: "credits", text: "Credits", measure: UsageMeasure.CREDITS, unitKey: "currency", unitText: "Currency" },
  { name: "cost", text: "Cost", measure: UsageMeasure.COST, unitKey: "cost_currency", unitText: "Cost currency" },
  { name: "quantity", text: "Quantity", measure: UsageMeasure.QUANTITY, unitKey: "meter", unitText: "Meter" },
  { name: "count", text: "Count", measure: UsageMeasure.COUNT, unitKey: "", unitText: "" },
] as const;

export type Measure = (typeof MEASURES)[number];

/** Operators as they stand in the URL. */
export const OPERATORS: [string, FilterOperator, string][] = [
  ["in", FilterOperator.IN, "is one of"],
  ["not", FilterOperator.NOT_IN, "is none of"],
  ["prefix", FilterOperator.PREFIX, "begins with"],
  ["exists", FilterOperator.EXISTS, "is there"],
];

/** A filter as it stands in the URL. */
export interface Filter {
  key: string;
  operator: string;
  values: string[];
}

/** All settings of the view. */
export interface Settings {
  accountId: string;
  range: Range;
  measure: Measure;
  unit: string;
  by: string[];
  filters: Filter[];
  comparison: string;
  top: number;
  hidden: string[];
  trace: string;
}

const TOP = 8;

/** Reads the settings. */
export function readSettings(): Settings {
  const top = setting("top", TOP.toString());
  return {
    accountId: setting("account"),
    range: range("7d"),
    measure: MEASURES.find(({ name }) => name === setting("measure")) ?? MEASURES[0],
    unit: setting("unit"),
    by: unpack(setting("by")),
    filters: unpack(setting("where"))
      .map(readFilter)
      .filter((filter) => filter.key !== ""),
    comparison: setting("compare"),
    top: /^\d{1,4}$/.test(top) ? parseInt(top, 10) : TOP,
    hidden: unpack(setting("hide")),
    trace: setting("trace"),
  };
}

function readFilter(text: string): Filter {
  const [key = "", operator = "in", ...values] = unpack(text);
  return { key, operator, values };
}

/** Writes filters into the setting `where`. */
export function packFilters(filters: Filter[]): string {
  return pack(filters.map(({ key, operator, values }) => pack([key, operator, ...values])));
}

/** One row of the breakdown. */
export interface Group {
  /** Names it in the URL. */
  id: string;
  name: string;
  values: string[];
  rest: boolean;
  /** Which colour; -1: grey. */
  colour: number;
  value: bigint;
  compared: bigint;
  traceToken: string;
  /** Figures by step, in the order of the steps. */
  steps: bigint[];
  comparedSteps: bigint[];
  stepTokens: string[];
}

/** The answer, in the shape in which it is shown. */
export interface Answer {
  steps: number[];
  groups: Group[];
  unit: string;
  exponent: number;
  /** The units to choose from, and the one that was. */
  units: string[];
  chosenUnit: string;
  completeUntil: bigint;
}

/** Asks for the figures of a view. */
export async function ask(settings: Settings, signal?: AbortSignal): Promise<Answer> {
  const { accountId, measure, range: window } = settings;
  const span = { accountId, start: window.start, end: window.end };
  const units = measure.unitKey ? await usageKeys({ ...span, key: measure.unitKey }, signal) : [];
  const chosenUnit = settings.unit || (units[0] ?? "");
  const question = questionOf(settings, chosenUnit);
  const [series, totals] = await Promise.all([
    allUsage({ ...question, granularity: window.granularity }, signal),
    allUsage(question, signal),
  ]);
  const steps = series.stepsUnixMs.map((step) => parseInt(step.toString(), 10));
  const groups = arrange(totals.cells, series.cells, series.stepsUnixMs, settings.by);
  const { unit, exponent, completeUntilUnixMs: completeUntil } = series;
  return { steps, groups, unit: unit || unitWord(measure), exponent, units, chosenUnit, completeUntil };
}

function unitWord(measure: Measure): string {
  return measure.name === "count" ? "operations and events" : "";
}

function questionOf(settings: Settings, unit: string): UsageQuestion {
  const { accountId, measure, range: window, by, comparison, top } = settings;
  const filters = settings.filters.map(({ key, operator, values }) => ({
    key,
    values,
    operator: OPERATORS.find(([name]) => name === operator)?.[1] ?? FilterOperator.IN,
  }));
  const asked = filters.some(({ key }) => key === measure.unitKey);
  if (unit && measure.unitKey && !asked) {
    filters.push({ key: measure.unitKey, operator: FilterOperator.IN, values: [unit] });
  }
  return {
    accountId,
    measure: measure.measure,
    startUnixMs: BigInt(window.start),
    endUnixMs: BigInt(window.end),
    timeZone: window.zone,
    groupBy: by,
    filters,
    top: by.length ? top : 0,
    ...(comparison === "previous" && { comparison: { case: "previousPeriod", value: true } }),
    ...(comparison === "year" && { comparison: { case: "previousYear", value: true } }),
  };
}

function idOf(cell: UsageCell): string {
  return cell.rest ? "~rest" : pack(cell.group);
}

function nameOf(cell: UsageCell, by: string[]): string {
  if (cell.rest) return "All others";
  return by.length ? cell.group.map((value) => value || "(none)").join(" · ") : "Total";
}

/** Lays cells out by group, the largest first, the rest last. */
function arrange(totals: UsageCell[], cells: UsageCell[], steps: bigint[], by: string[]): Group[] {
  const largest = [...totals].sort((a, b) =>
    a.rest !== b.rest ? (a.rest ? 1 : -1) : a.value === b.value ? 0 : a.value < b.value ? 1 : -1,
  );
  const groups = new Map<string, Group>();
  for (const cell of largest) {
    groups.set(idOf(cell), {
      id: idOf(cell),
      name: nameOf(cell, by),
      values: cell.group,
      rest: cell.rest,
      colour: cell.rest || groups.size >= 10 ? -1 : groups.size,
      value: cell.value,
      compared: cell.comparedValue,
      traceToken: cell.traceToken,
      steps: steps.map(() => 0n),
      comparedSteps: steps.map(() => 0n),
      stepTokens: steps.map(() => ""),
    });
  }
  const places = new Map(steps.map((step, place) => [step, place]));
  for (const cell of cells) {
    const group = groups.get(idOf(cell));
    const place = places.get(cell.stepUnixMs);
    if (!group || place === undefined) continue;
    group.steps[place] = cell.value;
    group.comparedSteps[place] = cell.comparedValue;
    group.stepTokens[place] = cell.traceToken;
  }
  return [...groups.values()];
}

/** Sums of figures. */
export function sum(values: bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n);
}
