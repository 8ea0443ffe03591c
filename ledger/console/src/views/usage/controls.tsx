/** What is asked: dimensions, filters, measure. */
import { useState } from "preact/hooks";
import { usageKeys } from "../../api/lists";
import { Choice, Segments, Text } from "../../parts/fields";
import { useLoad } from "../../state/load";
import { pack, toggled } from "../../state/lists";
import { change } from "../../state/place";
import { type Filter, MEASURES, OPERATORS, packFilters, type Settings } from "./question";

/** Measure, unit, comparison, top. */
export function Asked({ settings, units, chosenUnit }: { settings: Settings; units: string[]; chosenUnit: string }) {
  const { measure, comparison, top, by } = settings;
  return (
    <div class="bar">
      <Segments
        label="Measure"
        value={measure.name}
        options={MEASURES.map(({ name, text }) => [name, text])}
        onChange={(name) => {
          change({ measure: name, unit: null, hide: null, trace: null });
        }}
      />
      {units.length > 1 && (
        <Choice
          label={measure.unitText}
          value={chosenUnit}
          options={units.map((unit) => [unit, unit || "(none)"])}
          onChange={(unit) => {
            change({ unit, hide: null, trace: null });
          }}
        />
      )}
      <Choice
        label="Compare with"
        value={comparison}
        onChange={(compare) => {
          change({ compare });
        }}
        options={[
          ["", "nothing"],
          ["previous", "the window before"],
          ["year", "a year before"],
        ]}
      />
      {by.length > 0 && (
        <Choice
          label="Groups"
          value={top.toString()}
          onChange={(value) => {
            change({ top: value, hide: null });
          }}
          options={[
            ["5", "top 5"],
            ["8", "top 8"],
            ["10", "top 10"],
            ["25", "top 25"],
            ["100", "top 100"],
            ["0", "all"],
          ]}
        />
      )}
    </div>
  );
}

/** Built-in keys that are seldom grouped by: behind a button, unless they are. */
const SELDOM = [
  "currency",
  "cost_currency",
  "subject_3",
  "subject_4",
  "subject_5",
  "subject_6",
  "subject_7",
  "subject_8",
];
const BUILT_IN = [
  "account",
  "pool",
  "subject",
  "subject_1",
  "subject_2",
  "meter",
  "product",
  "category",
  "grant",
  "sidecar",
];

/** Dimensions first, then the built-in keys in the order of their use. */
function sorted(keys: string[], accountId: string): string[] {
  const rank = (key: string): number => [...BUILT_IN, ...SELDOM].indexOf(key);
  const known = keys.filter((key) => key !== "account" || !accountId);
  return [...known].sort((a, b) => rank(a) - rank(b));
}

/** The keys that there are: a pressed one is grouped by, in the order of pressing. */
export function Dimensions({ settings }: { settings: Settings }) {
  const [allShown, setAllShown] = useState(false);
  const { by, accountId, range } = settings;
  const keys = useLoad(`keys ${accountId} ${range.key}`, (signal) =>
    usageKeys({ accountId, start: range.start, end: range.end }, signal),
  );
  const names = sorted([...new Set([...(keys.data ?? []), ...by])], accountId);
  const shown = names.filter((key) => allShown || by.includes(key) || !SELDOM.includes(key));
  return (
    <div class="chips" role="group" aria-label="Group by">
      <span class="chips-name">Group by</span>
      {shown.map((key) => (
        <button
          key={key}
          type="button"
          class="chip"
          aria-pressed={by.includes(key)}
          onClick={() => {
            change({ by: pack(toggled(by, key)), hide: null, trace: null });
          }}
        >
          {by.length > 1 && by.includes(key) && <span class="order">{by.indexOf(key) + 1}</span>}
          {key}
        </button>
      ))}
      <button
        type="button"
        class="chip"
        aria-expanded={allShown}
        onClick={() => {
          setAllShown(!allShown);
        }}
      >
        {allShown ? "Fewer" : "More"}
      </button>
    </div>
  );
}

/** The filters, each with a button that takes it away, and one more. */
export function Filters({ settings }: { settings: Settings }) {
  const [adding, setAdding] = useState(false);
  const { filters } = settings;
  const set = (next: Filter[]): void => {
    change({ where: packFilters(next), hide: null, trace: null });
  };
  return (
    <div class="chips" role="group" aria-label="Filters">
      <span class="chips-name">Filters</span>
      {filters.map((filter, place) => (
        <button
          key={pack([filter.key, ...filter.values])}
          type="button"
          class="chip"
          aria-label={`Remove ${tell(filter)}`}
          onClick={() => {
            set(filters.filter((_, other) => other !== place));
          }}
        >
          {tell(filter)} ✕
        </button>
      ))}
      <button
        type="button"
        class="chip"
        aria-expanded={adding}
        onClick={() => {
          setAdding(!adding);
        }}
      >
        + Filter
      </button>
      {adding && (
        <NewFilter
          settings={settings}
          onAdd={(filter) => {
            setAdding(false);
            set([...filters, filter]);
          }}
        />
      )}
    </div>
  );
}

function tell({ key, operator, values }: Filter): string {
  const words = OPERATORS.find(([name]) => name === operator)?.[2] ?? operator;
  return [key, words, values.map((value) => value || "(none)").join(", ")].join(" ").trim();
}

function NewFilter({ settings, onAdd }: { settings: Settings; onAdd: (filter: Filter) => void }) {
  const { accountId, range } = settings;
  const [filter, setFilter] = useState<Filter>({ key: "", operator: "in", values: [] });
  const span = { accountId, start: range.start, end: range.end };
  const keys = useLoad(`keys ${accountId} ${range.key}`, (signal) => usageKeys(span, signal));
  const values = useLoad(`values ${filter.key} ${accountId} ${range.key}`, async (signal) =>
    filter.key ? usageKeys({ ...span, key: filter.key }, signal) : [],
  );
  const bare = filter.operator === "exists";
  return (
    <form
      class="bar"
      aria-label="New filter"
      onSubmit={(event) => {
        event.preventDefault();
        if (filter.key && (bare || filter.values.length)) onAdd(bare ? { ...filter, values: [] } : filter);
      }}
    >
      <Text
        label="Key"
        value={filter.key}
        offers={keys.data ?? []}
        onChange={(key) => {
          setFilter({ ...filter, key: key.trim() });
        }}
      />
      <Choice
        label="Operator"
        value={filter.operator}
        options={OPERATORS.map(([name, , text]) => [name, text])}
        onChange={(operator) => {
          setFilter({ ...filter, operator });
        }}
      />
      {!bare && (
        <Text
          label="Values"
          value={filter.values.join(", ")}
          offers={values.data ?? []}
          hint="several with commas"
          onChange={(text) => {
            setFilter({
              ...filter,
              values: text
                .split(",")
                .map((value) => value.trim())
                .filter(Boolean),
            });
          }}
        />
      )}
      <button type="submit" class="primary">
        Add
      </button>
    </form>
  );
}
