/** Decisions as rows. */
import type { HeardDecision } from "../contract/holdfast/v1/access_service_pb";
import { Mode, Reason } from "../contract/holdfast/v1/decision_pb";
import { formatTime } from "../format/time";
import type { Loaded } from "../state/load";
import { link } from "../state/place";
import { Badge, type Tone, word } from "./basics";
import { type Column, Table } from "./table";

/** How a reason is coloured; the word says it too. */
export function reasonTone(reason: Reason): Tone {
  if (reason === Reason.OK) return "good";
  return reason === Reason.RATE_LIMITED || reason === Reason.CONCURRENCY_LIMITED ? "warn" : "bad";
}

const COLUMNS: Column<HeardDecision>[] = [
  { name: "Time", text: ({ decision }) => formatTime(decision?.decidedAtUnixMs ?? 0n) },
  {
    name: "Reason",
    text: ({ decision }) => Reason[decision?.reason ?? 0] ?? "",
    show: ({ decision }) => (
      <Badge tone={reasonTone(decision?.reason ?? Reason.UNSPECIFIED)}>{word(Reason[decision?.reason ?? 0])}</Badge>
    ),
  },
  { name: "Denied by", text: ({ decision }) => decision?.deniedLevel ?? "" },
  {
    name: "Account",
    text: ({ decision }) => decision?.accountId ?? "",
    show: ({ decision }) => (
      <a href={link("/account", { account: decision?.accountId ?? "" })}>{decision?.accountId}</a>
    ),
  },
  { name: "Pool", text: ({ decision }) => decision?.poolId ?? "" },
  { name: "Subject", text: ({ decision }) => decision?.subject ?? "" },
  { name: "Kind", text: ({ decision }) => decision?.kind ?? "" },
  { name: "Asked (minor units)", number: true, text: ({ decision }) => (decision?.amount ?? 0n).toString() },
  { name: "Granted (minor units)", number: true, text: ({ decision }) => (decision?.grantedAmount ?? 0n).toString() },
  { name: "Operation", text: ({ decision }) => decision?.operationId ?? "" },
  {
    name: "Link",
    text: ({ decision }) => Mode[decision?.mode ?? 0] ?? "",
    show: ({ decision }) => word(Mode[decision?.mode ?? 0]),
  },
  { name: "Sidecar", text: ({ sidecarId }) => sidecarId },
];

/** The latest decisions. */
export function DecisionTable({ loaded, name }: { loaded: Loaded<HeardDecision[]>; name: string }) {
  return (
    <Table
      name={name}
      columns={COLUMNS}
      loaded={loaded}
      empty="None was heard of since this replica started."
      rowKey={({ sidecarId, decision }) =>
        [sidecarId, decision?.decidedAtUnixMs, decision?.operationId, decision?.kind, decision?.reason].join("|")
      }
    />
  );
}
