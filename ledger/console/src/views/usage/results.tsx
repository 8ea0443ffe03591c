/** The figures: chart, legend, breakdown, and every cell as a table. */
import { changePercent, formatAmount, plainAmount, sharePercent } from "../../format/amount";
import { stepLabel, stepTitle } from "../../format/time";
import { Change, Figure } from "../../parts/basics";
import { type Series, StepChart } from "../../parts/chart";
import { type Column, Table } from "../../parts/table";
import type { Loaded } from "../../state/load";
import { pack, toggled, unpack } from "../../state/lists";
import { change, changed } from "../../state/place";
import { spanSettings } from "../../state/range";
import { useMemo } from "preact/hooks";
import { type Answer, type Filter, type Group, packFilters, type Settings, sum } from "./question";

interface Props {
  settings: Settings;
  loaded: Loaded<Answer>;
  answer: Answer;
}

/** So many groups are drawn apart, and named in the legend. */
const DRAWN_GROUPS = 60;

/** Totals of what is shown. */
export function Totals({ settings, answer }: Props) {
  const { exponent, unit } = answer;
  const groups = shownOf(answer, settings);
  const now = sum(groups.map((group) => group.value));
  const before = sum(groups.map((group) => group.compared));
  const full = `${formatAmount(now, exponent)} ${unit}`;
  return (
    <dl class="figures">
      <Figure name="Total" value={formatAmount(now, exponent, { most: 2 })} full={full} note={unit} />
      {settings.comparison && (
        <>
          <Figure name="Compared with" value={formatAmount(before, exponent, { most: 2 })} note={unit} />
          <Figure name="Change" value={changePercent(now, before) || "new"} />
        </>
      )}
      <Figure name="Groups" value={groups.length.toString()} note={`of ${answer.groups.length}`} />
    </dl>
  );
}

function shownOf(answer: Answer, settings: Settings): Group[] {
  return answer.groups.filter((group) => !settings.hidden.includes(group.id));
}

/** The chart with its legend, whose entries hide and show their groups. */
export function Drawn({ settings, answer }: Props) {
  const { range, comparison, hidden, by } = settings;
  const { steps, groups, exponent, unit } = answer;
  const hiddenKey = pack(hidden);
  const drawn = useMemo(() => {
    const gone = unpack(hiddenKey);
    const shown = groups.filter((group) => !gone.includes(group.id));
    const series: Series[] = shown
      .slice(0, DRAWN_GROUPS)
      .map(({ name, colour, steps: values }) => ({ name, colour, values }));
    const rest = shown.slice(DRAWN_GROUPS);
    if (rest.length > 0) {
      const values = steps.map((_, place) => sum(rest.map((group) => group.steps[place] ?? 0n)));
      series.push({ name: `${rest.length} more`, colour: -1, values });
    }
    if (comparison) {
      const values = steps.map((_, place) => sum(shown.map((group) => group.comparedSteps[place] ?? 0n)));
      series.push({ name: "Compared with", colour: -1, values, line: "dashed" });
    }
    return series;
  }, [groups, hiddenKey, comparison, steps]);
  const ticks = useMemo(
    () =>
      steps.map((step) => ({
        label: stepLabel(step, range.granularity, range.zone),
        title: stepTitle(step, range.granularity, range.zone),
      })),
    [steps, range.granularity, range.zone],
  );
  const zoom = (first: number, last: number): void => {
    change({ ...spanSettings(steps[first] ?? range.start, steps[last + 1] ?? range.end, range.zone), trace: null });
  };
  return (
    <>
      <StepChart
        label={`${settings.measure.text} by ${["step", ...by].join(", ")}; the table below has the figures`}
        steps={ticks}
        series={drawn}
        exponent={exponent}
        unit={unit}
        onZoom={zoom}
      />
      <p class="note">
        Click a step to zoom in, or drag over several. The table of all cells below does the same by keyboard.
      </p>
      {comparison && (
        <div class="legend">
          <span class="chip-plain">
            <span class="swatch dashed" aria-hidden="true" />
            {comparison === "year" ? "A year before" : "The window before"}
          </span>
        </div>
      )}
      {by.length > 0 && (
        <div class="legend" role="group" aria-label="Groups shown">
          {groups.slice(0, DRAWN_GROUPS).map((group) => (
            <button
              key={group.id}
              type="button"
              class="chip"
              aria-pressed={!hidden.includes(group.id)}
              onClick={() => {
                change({ hide: pack(toggled(hidden, group.id)) });
              }}
            >
              <span class={`swatch c${group.colour < 0 ? "rest" : group.colour + 1}`} aria-hidden="true" />
              {group.name}
            </button>
          ))}
          {groups.length > DRAWN_GROUPS && (
            <span class="note">and {(groups.length - DRAWN_GROUPS).toLocaleString("en")} more, drawn as one</span>
          )}
        </div>
      )}
    </>
  );
}

/** The groups, each with its share, its change, and a way to what is behind it. */
export function Breakdown({ settings, loaded, answer }: Props) {
  const { exponent, unit } = answer;
  const shown = shownOf(answer, settings);
  const total = sum(shown.map((group) => group.value));
  const columns: Column<Group>[] = [
    ...(settings.by.length ? settings.by : ["Group"]).map((key, place): Column<Group> => ({
      name: key,
      text: (group) => (settings.by.length && !group.rest ? (group.values[place] ?? "") : group.name),
      show: (group) => (place === 0 || !group.rest ? labelOf(group, settings, place) : ""),
    })),
    amountColumn(unit ? `Value (${unit})` : "Value", exponent, (group) => group.value),
    { name: "Share", number: true, text: (group) => sharePercent(group.value, total) },
    ...(settings.comparison ? comparedColumns(exponent) : []),
    {
      name: "Actions",
      screenOnly: true,
      text: () => "",
      show: (group) => <GroupActions group={group} settings={settings} />,
    },
  ];
  const rows = { ...loaded, data: shown };
  return (
    <Table
      name="Usage by group"
      columns={columns}
      loaded={rows}
      rowKey={(group) => group.id}
      empty="Nothing was used."
    />
  );
}

function labelOf(group: Group, settings: Settings, place: number): string {
  return settings.by.length && !group.rest ? group.values[place] || "(none)" : group.name;
}

function amountColumn<T>(name: string, exponent: number, value: (row: T) => bigint): Column<T> {
  return {
    name,
    number: true,
    text: (row) => plainAmount(value(row), exponent),
    show: (row) => formatAmount(value(row), exponent),
  };
}

function comparedColumns(exponent: number): Column<Group>[] {
  return [
    amountColumn("Before", exponent, (group) => group.compared),
    {
      name: "Change",
      number: true,
      text: (group) => changePercent(group.value, group.compared),
      show: (group) => <Change now={group.value} before={group.compared} />,
    },
  ];
}

function GroupActions({ group, settings }: { group: Group; settings: Settings }) {
  const narrowed: Filter[] = [
    ...settings.filters,
    ...settings.by.map((key, place) => ({ key, operator: "in", values: [group.values[place] ?? ""] })),
  ];
  return (
    <span class="row-actions">
      {settings.by.length > 0 && !group.rest && (
        <a
          href={changed({ where: packFilters(narrowed), by: null, hide: null, trace: null })}
          aria-label={`Only ${group.name}`}
        >
          Only
        </a>
      )}
      {group.traceToken && (
        <a href={changed({ trace: group.traceToken })} aria-label={`What is behind ${group.name}`}>
          Trace
        </a>
      )}
    </span>
  );
}

interface CellRow {
  step: number;
  end: number;
  group: Group;
  place: number;
}

/** Every cell: the chart's figures for those who do not see it, and a way to zoom and trace by keyboard. */
export function Cells({ settings, loaded, answer, traced = true }: Props & { traced?: boolean }) {
  const { range, comparison } = settings;
  const { steps, exponent, unit } = answer;
  const rows: CellRow[] = steps.flatMap((step, place) =>
    shownOf(answer, settings)
      .filter((group) => group.steps[place] !== 0n || group.comparedSteps[place] !== 0n)
      .map((group) => ({ step, end: steps[place + 1] ?? range.end, group, place })),
  );
  const columns: Column<CellRow>[] = [
    {
      name: "Step",
      text: ({ step }) => stepTitle(step, range.granularity, range.zone),
      show: ({ step, end }) => (
        <a href={changed({ ...spanSettings(step, end, range.zone), trace: null })}>
          {stepTitle(step, range.granularity, range.zone)}
        </a>
      ),
    },
    { name: settings.by.join(", ") || "Group", text: ({ group }) => group.name },
    amountColumn(unit ? `Value (${unit})` : "Value", exponent, ({ group, place }) => group.steps[place] ?? 0n),
    ...(comparison
      ? [amountColumn<CellRow>("Before", exponent, ({ group, place }) => group.comparedSteps[place] ?? 0n)]
      : []),
  ];
  if (traced) {
    columns.push({
      name: "Actions",
      screenOnly: true,
      text: () => "",
      show: ({ group, place, step }) =>
        group.stepTokens[place] && (
          <a
            href={changed({ trace: group.stepTokens[place] })}
            aria-label={`What is behind ${group.name} of ${stepTitle(step, range.granularity, range.zone)}`}
          >
            Trace
          </a>
        ),
    });
  }
  return (
    <details>
      <summary>All cells of the chart ({rows.length.toLocaleString("en")})</summary>
      <Table
        name="Usage by step"
        columns={columns}
        loaded={{ ...loaded, data: rows }}
        empty="Nothing was used."
        rowKey={({ step, group }) => `${step} ${group.id}`}
      />
    </details>
  );
}
