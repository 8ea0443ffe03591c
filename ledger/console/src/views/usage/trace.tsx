/** What is behind a figure: debits, entries and events, down to the operation. */
import { readAll } from "../../api/pages";
import { traces } from "../../api/lists";
import type { UsageTrace } from "../../contract/holdfast/v1/usage_service_pb";
import { formatAmount, plainAmount } from "../../format/amount";
import { formatTime } from "../../format/time";
import { Section } from "../../parts/basics";
import { type Column, Table } from "../../parts/table";
import { usePaged } from "../../state/load";
import { changed, link } from "../../state/place";
import { useEffect, useRef } from "preact/hooks";

/** The rows behind the cell that a token names. */
export function Trace({
  token,
  exponent,
  unit,
  zone,
}: {
  token: string;
  exponent: number;
  unit: string;
  zone: string;
}) {
  const box = useRef<HTMLDivElement>(null);
  const read = traces(token);
  const loaded = usePaged(`trace ${token}`, read);
  useEffect(() => {
    box.current?.scrollIntoView({ block: "nearest" });
    box.current?.focus({ preventScroll: true });
  }, [token]);
  return (
    <div ref={box} tabIndex={-1} aria-label="What is behind the figure" role="group">
      <Section title="What is behind the figure" actions={<a href={changed({ trace: null })}>Close</a>}>
        <Table
          name="Trace"
          columns={columns(exponent, unit, zone)}
          loaded={loaded}
          readAll={() => readAll(read)}
          rowKey={keyOf}
          empty="Nothing is behind it."
        />
      </Section>
    </div>
  );
}

function keyOf(trace: UsageTrace): string {
  const { accountId, entryId, operationId, eventSource, eventId, meterId, value, timeUnixMs } = trace;
  return [accountId, entryId, operationId, eventSource, eventId, meterId, value, timeUnixMs].join("|");
}

function columns(exponent: number, unit: string, zone: string): Column<UsageTrace>[] {
  return [
    { name: "Time", text: (trace) => formatTime(trace.timeUnixMs, zone) },
    {
      name: unit ? `Value (${unit})` : "Value",
      number: true,
      text: (trace) => plainAmount(trace.value, exponent),
      show: (trace) => formatAmount(trace.value, exponent),
    },
    {
      name: "Account",
      text: (trace) => trace.accountId,
      show: (trace) => <a href={link("/account", { account: trace.accountId })}>{trace.accountId}</a>,
    },
    { name: "Pool", text: (trace) => trace.poolId },
    {
      name: "Operation",
      text: (trace) => trace.operationId,
      show: (trace) =>
        trace.operationId && (
          <a href={link("/entries", { account: trace.accountId, pool: trace.poolId, operation: trace.operationId })}>
            {trace.operationId}
          </a>
        ),
    },
    { name: "Caller", text: (trace) => trace.caller },
    { name: "Entry", number: true, text: (trace) => (trace.entryId ? trace.entryId.toString() : "") },
    {
      name: "Grant",
      text: (trace) => trace.grantId,
      show: (trace) =>
        trace.grantId && (
          <a href={link("/account", { account: trace.accountId, pool: trace.poolId, grant: trace.grantId })}>
            {trace.grantId}
          </a>
        ),
    },
    { name: "Meter", text: (trace) => trace.meterId },
    { name: "Subject", text: (trace) => trace.subject },
    {
      name: "Dimensions",
      text: (trace) =>
        Object.entries(trace.dimensions)
          .map((pair) => pair.join("="))
          .join(" "),
    },
    { name: "Hold", text: (trace) => trace.holdId },
    {
      name: "Sidecar",
      text: (trace) => trace.sidecarId,
      show: (trace) =>
        trace.sidecarId && <a href={link("/sidecars", { sidecar: trace.sidecarId })}>{trace.sidecarId}</a>,
    },
    { name: "Event source", text: (trace) => trace.eventSource },
    { name: "Event", text: (trace) => trace.eventId },
  ];
}
