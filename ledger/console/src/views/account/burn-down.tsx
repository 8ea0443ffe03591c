/** The balance of the last month, and where it goes. */
import { useMemo } from "preact/hooks";
import { allUsage, grants as listGrants } from "../../api/lists";
import { readAll } from "../../api/pages";
import type { Grant, Pool, PoolBalance } from "../../contract/holdfast/v1/ledger_service_pb";
import { FilterOperator, Granularity, UsageMeasure } from "../../contract/holdfast/v1/usage_service_pb";
import { formatAmount, plainAmount } from "../../format/amount";
import { addDays, DAY_MS, formatDate, ms, ownTimeZone, startOfDate, stepLabel } from "../../format/time";
import { Empty, Fault, Figure, Section } from "../../parts/basics";
import { type Series, StepChart } from "../../parts/chart";
import { Table } from "../../parts/table";
import { type Loaded, useLoad } from "../../state/load";
import { dailyBurn, foresee, pastBalances } from "./forecast";

const PAST_DAYS = 30;
const DAYS_TO_COME = 30;
/** So far ahead it is looked for the day on which nothing is left. */
const HORIZON_DAYS = 730;

interface Known {
  dayStarts: number[];
  spent: bigint[];
  grants: Grant[];
}

async function read(pool: Pool, signal: AbortSignal): Promise<Known> {
  const zone = ownTimeZone();
  const today = formatDate(Date.now(), zone);
  const start = startOfDate(addDays(today, 1 - PAST_DAYS), zone);
  const end = startOfDate(addDays(today, 1), zone);
  const [usage, grants] = await Promise.all([
    allUsage(
      {
        accountId: pool.accountId,
        measure: UsageMeasure.CREDITS,
        startUnixMs: BigInt(start),
        endUnixMs: BigInt(end),
        granularity: Granularity.DAY,
        timeZone: zone,
        filters: [{ key: "pool", operator: FilterOperator.IN, values: [pool.poolId] }],
      },
      signal,
    ),
    readAll(listGrants(pool.accountId, pool.poolId), 2_000, signal),
  ]);
  const byDay = new Map(usage.cells.map((cell) => [cell.stepUnixMs, cell.value]));
  return {
    dayStarts: usage.stepsUnixMs.map(ms),
    spent: usage.stepsUnixMs.map((step) => byDay.get(step) ?? 0n),
    grants,
  };
}

/** The chart, the figures, and the same as a table. */
export function BurnDown({ pool, balance }: { pool: Pool; balance: PoolBalance }) {
  const loaded = useLoad(`burn ${pool.accountId} ${pool.poolId} ${balance.posted}`, (signal) => read(pool, signal));
  const note = "Forecast: a day's average of the last seven whole days, from grants in their order until they expire.";
  return (
    <Section title="Burn-down" note={note}>
      <Fault error={loaded.error} retry={loaded.reload} />
      {loaded.data ? (
        <Drawn pool={pool} balance={balance} known={loaded.data} loaded={loaded} />
      ) : (
        !loaded.error && <Empty loading>…</Empty>
      )}
    </Section>
  );
}

interface Day {
  date: string;
  posted: bigint | null;
  foreseen: bigint | null;
}

function lay(posted: bigint, { dayStarts, spent, grants }: Known) {
  const zone = ownTimeZone();
  const now = Date.now();
  const burn = dailyBurn(spent, 7);
  const ahead = foresee(posted, grants, burn, now, HORIZON_DAYS);
  const past = pastBalances(posted, spent, grants, dayStarts);
  const today = formatDate(now, zone);
  const days: Day[] = [
    ...past.map((then, place) => ({
      date: formatDate(dayStarts[place] ?? 0, zone),
      posted: then,
      foreseen: place === past.length - 1 ? then : null,
    })),
    ...ahead.balances.slice(1, DAYS_TO_COME).map((foreseen, place) => ({
      date: addDays(today, place + 1),
      posted: null,
      foreseen,
    })),
  ];
  const series: Series[] = [
    { name: "Posted", values: days.map((day) => day.posted), colour: 0, line: "solid" },
    { name: "Forecast", values: days.map((day) => day.foreseen), colour: 1, line: "dashed" },
  ];
  const steps = days.map(({ date }) => ({
    label: stepLabel(startOfDate(date, zone) + DAY_MS / 2, Granularity.DAY, zone),
    title: date,
  }));
  return { burn, ahead, days, series, steps, emptyDate: ahead.emptyDay < 0 ? "" : addDays(today, ahead.emptyDay) };
}

function Drawn({
  pool,
  balance,
  known,
  loaded,
}: {
  pool: Pool;
  balance: PoolBalance;
  known: Known;
  loaded: Loaded<Known>;
}) {
  const { burn, ahead, days, series, steps, emptyDate } = useMemo(
    () => lay(balance.posted, known),
    [balance.posted, known],
  );
  const exponent = pool.currencyExponent;
  const cell = (value: bigint | null): string => (value === null ? "" : plainAmount(value, exponent));
  return (
    <>
      <dl class="figures">
        <Figure name="Burns a day" value={formatAmount(burn, exponent, { most: 2 })} note={pool.currency} />
        <Figure
          name="Used up"
          value={burn === 0n ? "not soon" : emptyDate || `not within ${HORIZON_DAYS / 365} years`}
          tone={burn > 0n && ahead.emptyDay >= 0 && ahead.emptyDay <= 7 ? "bad" : "plain"}
          note={burn === 0n ? "nothing burned in seven days" : ahead.emptyDay < 0 ? "" : `in ${ahead.emptyDay} days`}
        />
        <Figure
          name="Would expire unused"
          value={formatAmount(ahead.expiring, exponent, { most: 2 })}
          note={pool.currency}
        />
      </dl>
      <StepChart
        label="Posted balance of the last 30 days and the forecast of the next; the table below has the figures"
        steps={steps}
        series={series}
        exponent={exponent}
        unit={pool.currency}
      />
      <div class="legend">
        <span class="chip-plain">
          <span class="swatch c1" aria-hidden="true" />
          Posted
        </span>
        <span class="chip-plain">
          <span class="swatch c2" aria-hidden="true" />
          Forecast
        </span>
      </div>
      <details>
        <summary>Figures of the chart</summary>
        <Table
          name={`Burn-down of ${pool.poolId}`}
          loaded={{ ...loaded, data: days }}
          rowKey={(day) => day.date}
          empty="None."
          columns={[
            { name: "Day", text: (day: Day) => day.date },
            { name: `Posted (${pool.currency})`, number: true, text: (day: Day) => cell(day.posted) },
            { name: `Forecast (${pool.currency})`, number: true, text: (day: Day) => cell(day.foreseen) },
          ]}
        />
      </details>
    </>
  );
}
