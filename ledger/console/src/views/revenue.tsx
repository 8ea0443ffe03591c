/** The books: deferred revenue from month to month, closed months, and how revenue is treated. */
import { useState } from "preact/hooks";
import { call } from "../api/client";
import { periods } from "../api/lists";
import { readAll } from "../api/pages";
import {
  BooksService,
  type ClosedPeriod,
  type PromotionalLine,
  type RollForwardLine,
  type VerifyJournalResponse,
} from "../contract/holdfast/v1/books_service_pb";
import { currencyExponent, formatAmount, plainAmount } from "../format/amount";
import { formatTime } from "../format/time";
import { AccountField } from "../parts/account-field";
import { Badge, Empty, Fault, Head, Section } from "../parts/basics";
import { type Series, StepChart } from "../parts/chart";
import { Text } from "../parts/fields";
import { type Column, Table } from "../parts/table";
import { mayAdminister, onlyAccount } from "../state/caller";
import { type Loaded, useLoad, usePaged } from "../state/load";
import { change, setting } from "../state/place";
import { readTotals } from "../state/pools";
import { CloseAction, ExportPart, PolicyPart } from "./revenue/actions";
import { useMemo } from "preact/hooks";

/** The month some months before this one, as "2026-11". */
function month(before: number): string {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - before, 1)).toISOString().slice(0, 7);
}

/** The view. */
export function RevenueView() {
  const first = setting("first", month(5));
  const last = setting("last", month(0));
  const accountId = setting("account", onlyAccount());
  const loaded = useLoad(`books ${first} ${last} ${accountId}`, (signal) =>
    call(BooksService.method.getRollForward, { firstPeriod: first, lastPeriod: last, accountId }, signal),
  );
  const lines = { ...loaded, data: loaded.data?.lines };
  const known = useLoad("totals", readTotals);
  // Where a currency has several exponents, the one of most pools.
  const exponents = new Map([...(known.data ?? [])].reverse().map((sum) => [sum.currency, sum.currencyExponent]));
  const promotional = { ...loaded, data: loaded.data?.promotionalLines };
  return (
    <>
      <Head
        title="Revenue"
        about="What was bought is deferred, and recognised as it burns (ASC 606). Months are those of UTC."
      />
      <div class="card controls">
        <div class="bar">
          <Text
            label="First month"
            type="month"
            value={first}
            onChange={(value) => {
              change({ first: value });
            }}
          />
          <Text
            label="Last month"
            type="month"
            value={last}
            onChange={(value) => {
              change({ last: value });
            }}
          />
          <AccountField />
        </div>
      </div>
      <Section
        title="Roll-forward of deferred revenue"
        note="opening + granted − recognised − breakage − refunded = closing"
      >
        {(loaded.data?.lines.length ?? 0) > 0 && <Chart lines={loaded.data?.lines ?? []} />}
        <Table
          name="Roll-forward"
          columns={LINE_COLUMNS}
          loaded={lines}
          empty="Nothing was deferred in these months."
          rowKey={(line) => [line.period, line.product, line.currency].join("|")}
        />
      </Section>
      <Section title="Promotional credits">
        <Table
          name="Promotional credits"
          columns={promotionalColumns(exponents)}
          loaded={promotional}
          empty="None were given away."
          rowKey={(line) => [line.period, line.product, line.currency].join("|")}
        />
      </Section>
      {!onlyAccount() && (
        <>
          <Periods />
          <PolicyPart />
          <Chain />
        </>
      )}
      <ExportPart first={first} last={last} accountId={accountId} />
    </>
  );
}

function amount(name: string, value: (line: RollForwardLine) => bigint): Column<RollForwardLine> {
  return {
    name,
    number: true,
    text: (line) => plainAmount(value(line), currencyExponent(line.currency)),
    show: (line) => formatAmount(value(line), currencyExponent(line.currency)),
  };
}

const LINE_COLUMNS: Column<RollForwardLine>[] = [
  { name: "Month", text: (line) => line.period },
  { name: "Product", text: (line) => line.product },
  { name: "Currency", text: (line) => line.currency },
  amount("Opening", (line) => line.openingAmount),
  amount("Granted", (line) => line.grantedAmount),
  amount("Recognised", (line) => line.recognisedAmount),
  amount("Breakage", (line) => line.breakageAmount),
  amount("Refunded", (line) => line.refundedAmount),
  amount("Closing", (line) => line.closingAmount),
  amount("Contra revenue", (line) => line.contraRevenueAmount),
  amount("Late corrections", (line) => line.lateCorrectionAmount),
  {
    name: "State",
    text: (line) => (line.closed ? "closed" : "open"),
    show: (line) => <Badge tone={line.closed ? "good" : "plain"}>{line.closed ? "closed" : "open"}</Badge>,
  },
];

/** Amounts of credits, in the decimals that the pools of the currency have. */
function promotionalColumns(exponents: Map<string, number>): Column<PromotionalLine>[] {
  const credits = (name: string, value: (line: PromotionalLine) => bigint): Column<PromotionalLine> => ({
    name,
    number: true,
    text: (line) => plainAmount(value(line), exponents.get(line.currency) ?? 0),
    show: (line) => formatAmount(value(line), exponents.get(line.currency) ?? 0),
  });
  return [
    { name: "Month", text: (line) => line.period },
    { name: "Product", text: (line) => line.product },
    { name: "Currency", text: (line) => line.currency },
    credits("Given away", (line) => line.grantedAmount),
    credits("Burned", (line) => line.burnedAmount),
    credits("Lapsed", (line) => line.lapsedAmount),
  ];
}

function Chart({ lines }: { lines: RollForwardLine[] }) {
  const currencies = [...new Set(lines.map((line) => line.currency))];
  const wanted = setting("currency");
  const currency = currencies.includes(wanted) ? wanted : (currencies[0] ?? "");
  const { steps, series } = useMemo(() => {
    const months = [...new Set(lines.map((line) => line.period))];
    const total = (of: (line: RollForwardLine) => bigint): bigint[] =>
      months.map((period) =>
        lines
          .filter((line) => line.period === period && line.currency === currency)
          .reduce((sum, line) => sum + of(line), 0n),
      );
    const drawn: Series[] = [
      { name: "Recognised", colour: 0, values: total((line) => line.recognisedAmount) },
      { name: "Breakage", colour: 1, values: total((line) => line.breakageAmount) },
      { name: "Closing, deferred", colour: 2, values: total((line) => line.closingAmount), line: "solid" },
    ];
    return { steps: months.map((label) => ({ label, title: label })), series: drawn };
  }, [lines, currency]);
  return (
    <>
      <StepChart
        label={`Recognised, breakage and deferred by month in ${currency}; the table below has the figures`}
        steps={steps}
        series={series}
        exponent={currencyExponent(currency)}
        unit={currency}
      />
      <div class="legend">
        {series.map(({ name, colour }) => (
          <span class="chip-plain" key={name}>
            <span class={`swatch c${colour + 1}`} aria-hidden="true" />
            {name}
          </span>
        ))}
        {currencies.length > 1 &&
          currencies.map((code) => (
            <button
              key={code}
              type="button"
              class="chip"
              aria-pressed={code === currency}
              onClick={() => {
                change({ currency: code });
              }}
            >
              {code}
            </button>
          ))}
      </div>
    </>
  );
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const PERIOD_COLUMNS: Column<ClosedPeriod>[] = [
  { name: "Month", text: (period) => period.period },
  { name: "Closed", text: (period) => formatTime(period.closedAtUnixMs) },
  { name: "Last entry", number: true, text: (period) => period.lastEntryId.toString() },
  hash("Hash of the chain", (period) => period.chainHash),
  hash("Hash of the figures", (period) => period.figuresHash),
];

function hash(name: string, value: (period: ClosedPeriod) => Uint8Array): Column<ClosedPeriod> {
  return {
    name,
    text: (period) => hex(value(period)),
    show: (period) => <code title={hex(value(period))}>{hex(value(period)).slice(0, 12)}…</code>,
  };
}

function Periods() {
  const [closing, setClosing] = useState(false);
  const loaded = usePaged("periods", periods);
  return (
    <Section
      title="Closed months"
      note="Their figures are fixed; what is corrected later counts in the first open month."
      actions={
        mayAdminister() && (
          <button
            type="button"
            onClick={() => {
              setClosing(true);
            }}
          >
            Close a month
          </button>
        )
      }
    >
      <Table
        name="Closed months"
        columns={PERIOD_COLUMNS}
        loaded={loaded}
        readAll={() => readAll(periods)}
        rowKey={(period) => period.period}
        empty="No month is closed."
      />
      {closing && (
        <CloseAction
          last={month(1)}
          onClose={() => {
            setClosing(false);
          }}
        />
      )}
    </Section>
  );
}

function Chain() {
  const [round, setRound] = useState(0);
  const loaded = useLoad(`verify ${round}`, async (signal) =>
    round ? call(BooksService.method.verifyJournal, {}, signal) : undefined,
  );
  return (
    <Section
      title="The journal's hash chain"
      actions={
        <button
          type="button"
          disabled={loaded.loading}
          onClick={() => {
            setRound(round + 1);
          }}
        >
          Verify
        </button>
      }
    >
      <Fault error={loaded.error} />
      {loaded.loading && round > 0 ? <Empty loading>…</Empty> : <Verdict loaded={loaded} />}
    </Section>
  );
}

function Verdict({ loaded }: { loaded: Loaded<VerifyJournalResponse | undefined> }) {
  const found = loaded.data;
  if (!found)
    return <p class="note">Reads the whole journal and checks that nothing was changed since it was written.</p>;
  return (
    <p role="status">
      <Badge tone={found.intact ? "good" : "bad"}>{found.intact ? "intact" : "broken"}</Badge>{" "}
      {found.intact
        ? `${found.entryCount} entries, the last ${found.lastEntryId}, head ${hex(found.chainHash).slice(0, 16)}…`
        : `at entry ${found.brokenEntryId.toString()}: ${found.message}`}
    </p>
  );
}
