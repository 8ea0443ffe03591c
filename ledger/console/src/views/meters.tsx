/** What is counted of events, where they come from, and which could not be counted. */
import { useState } from "preact/hooks";
import { ingestSources, meters, refusedEvents } from "../api/lists";
import { readAll } from "../api/pages";
import { Aggregation, type Meter, MeterPeriod } from "../contract/holdfast/v1/meter_pb";
import type { IngestSource, RefusedEvent } from "../contract/holdfast/v1/metering_service_pb";
import { formatAgo, formatTime } from "../format/time";
import { AccountField } from "../parts/account-field";
import { Badge, Head, Section, word } from "../parts/basics";
import { type Column, Table } from "../parts/table";
import { mayAdminister, onlyAccount } from "../state/caller";
import { usePaged } from "../state/load";
import { setting } from "../state/place";
import { MeterAction, RetireAction, tellFigure, tellFilter, tellPrice } from "./meters/actions";

const METER_COLUMNS: Column<Meter>[] = [
  { name: "Meter", text: (meter) => meter.meterId },
  { name: "Event type", text: (meter) => meter.eventType },
  { name: "Aggregation", text: (meter) => Aggregation[meter.aggregation], show: tellFigure },
  { name: "Quantity", text: (meter) => meter.quantity || meter.dimension, fileOnly: true },
  {
    name: "Period",
    text: (meter) => (meter.period ? MeterPeriod[meter.period] : ""),
    fileOnly: true,
  },
  {
    name: "Filters",
    text: (meter) => meter.filters.map(tellFilter).join("; "),
    show: (meter) => meter.filters.map(tellFilter).join("; ") || "all events",
  },
  { name: "Unit", text: (meter) => meter.unit },
  {
    name: "Conversion",
    text: (meter) => `${meter.multiplier || 1n} / ${meter.divisor || 1n}`,
    show: (meter) =>
      meter.multiplier === meter.divisor ? "none" : `${meter.multiplier || 1n} / ${meter.divisor || 1n}`,
  },
  { name: "Pool", text: (meter) => meter.poolId },
  { name: "Price", text: tellPrice },
];

const SOURCE_COLUMNS: Column<IngestSource>[] = [
  { name: "Source", text: (source) => source.origin },
  {
    name: "Events",
    number: true,
    text: (source) => source.eventCount.toString(),
    show: (source) => source.eventCount.toLocaleString("en"),
  },
  {
    name: "Last",
    text: (source) => formatTime(source.lastAtUnixMs),
    show: (source) => <span title={formatTime(source.lastAtUnixMs)}>{formatAgo(source.lastAtUnixMs)}</span>,
  },
];

const REFUSED_COLUMNS: Column<RefusedEvent>[] = [
  { name: "Refused", text: (refused) => formatTime(refused.refusedAtUnixMs) },
  {
    name: "Reason",
    text: (refused) => refused.reason,
    show: (refused) => <Badge tone="bad">{word(refused.reason)}</Badge>,
  },
  { name: "Came by", text: (refused) => refused.origin },
  { name: "Account", text: (refused) => refused.event?.accountId ?? "" },
  { name: "Source", text: (refused) => refused.event?.source ?? "" },
  { name: "Id", text: (refused) => refused.event?.id ?? "" },
  { name: "Type", text: (refused) => refused.event?.type ?? "" },
  { name: "Time", text: (refused) => formatTime(refused.event?.timeUnixMs ?? 0n) },
  { name: "Subject", text: (refused) => refused.event?.subject ?? "" },
  { name: "Dimensions", text: ({ event }) => pairs(event?.dimensions ?? {}) },
  { name: "Quantities", text: ({ event }) => pairs(event?.quantities ?? {}) },
];

function pairs(map: Record<string, string | bigint>): string {
  return Object.entries(map)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

/** The view. */
export function MetersView() {
  const accountId = setting("account", onlyAccount());
  const sources = usePaged("sources", async (token, signal) =>
    onlyAccount() ? { items: [], next: "" } : ingestSources(token, signal),
  );
  const readRefused = refusedEvents(accountId);
  const refused = usePaged(`refused ${accountId}`, readRefused);
  return (
    <>
      <Head title="Meters" about="What is counted of events, where they come from, and which could not be counted." />
      <Meters />
      {!onlyAccount() && (
        <Section title="Sources">
          <Table
            name="Sources of events"
            columns={SOURCE_COLUMNS}
            loaded={sources}
            readAll={() => readAll(ingestSources)}
            rowKey={(source) => source.origin}
            empty="No events have come."
          />
        </Section>
      )}
      <Section title="Refused events">
        <div class="bar">
          <AccountField />
        </div>
        <Table
          name="Refused events"
          columns={REFUSED_COLUMNS}
          loaded={refused}
          readAll={() => readAll(readRefused)}
          rowKey={({ event, refusedAtUnixMs, origin }) =>
            [event?.accountId, event?.source, event?.id, refusedAtUnixMs, origin].join("|")
          }
          empty="None was refused."
        />
      </Section>
    </>
  );
}

/** The list, with what can be done. */
function Meters() {
  const [changing, setChanging] = useState<{ meter?: Meter; retire?: boolean }>();
  const loaded = usePaged("meters", meters);
  const close = (): void => {
    setChanging(undefined);
  };
  const columns = mayAdminister() ? [...METER_COLUMNS, buttons(setChanging)] : METER_COLUMNS;
  return (
    <Section
      title="Meters"
      actions={
        mayAdminister() && (
          <button
            type="button"
            class="primary"
            onClick={() => {
              setChanging({});
            }}
          >
            New meter
          </button>
        )
      }
    >
      <Table
        name="Meters"
        columns={columns}
        loaded={loaded}
        readAll={() => readAll(meters)}
        rowKey={(meter) => meter.meterId}
        empty="There is no meter: events are kept, and nothing is counted of them."
      />
      {changing &&
        (changing.retire && changing.meter ? (
          <RetireAction meter={changing.meter} onClose={close} />
        ) : (
          <MeterAction {...(changing.meter && { meter: changing.meter })} onClose={close} />
        ))}
    </Section>
  );
}

function buttons(choose: (what: { meter: Meter; retire: boolean }) => void): Column<Meter> {
  const button = (meter: Meter, name: string, retire: boolean) => (
    <button
      type="button"
      class="small"
      aria-label={`${name} ${meter.meterId}`}
      onClick={() => {
        choose({ meter, retire });
      }}
    >
      {name}
    </button>
  );
  return {
    name: "Actions",
    screenOnly: true,
    text: () => "",
    show: (meter) => (
      <span class="row-actions">
        {button(meter, "Change", false)}
        {button(meter, "Retire", true)}
      </span>
    ),
  };
}
