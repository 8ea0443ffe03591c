/** Decisions as rows. */
import type { HeardDecision } from "../contract/holdfast/v1/access_service_pb";
import { Mode, Reason } from "../contract/holdfast/v1/decision_pb";
import type { Pool } from "../contract/holdfast/v1/ledger_service_pb";
import { formatAmount, plainAmount } from "../format/amount";
import { formatTime } from "../format/time";
import { type Loaded, useLoad } from "../state/load";
import { link } from "../state/place";
import { namedPools, poolKey } from "../state/pools";
import { Badge, type Tone, word } from "./basics";
import { type Column, Table } from "./table";

/** How a reason is coloured; the word says it too. */
export function reasonTone(reason: Reason): Tone {
  if (reason === Reason.OK) return "good";
  return reason === Reason.RATE_LIMITED || reason === Reason.CONCURRENCY_LIMITED ? "warn" : "bad";
}

type Pools = Map<string, Pool>;

function poolOf({ decision }: HeardDecision, pools: Pools): Pool | undefined {
  return pools.get(poolKey(decision?.accountId ?? "", decision?.poolId ?? ""));
}

function unitOf(row: HeardDecision, pools: Pools): string {
  return poolOf(row, pools)?.currency ?? "minor units";
}

function amount(name: string, pools: Pools, value: (row: HeardDecision) => bigint): Column<HeardDecision> {
  const exponent = (row: HeardDecision): number => poolOf(row, pools)?.currencyExponent ?? 0;
  return {
    name,
    number: true,
    text: (row) => plainAmount(value(row), exponent(row)),
    show: (row) => `${formatAmount(value(row), exponent(row))} ${unitOf(row, pools)}`,
  };
}

function columns(pools: Pools): Column<HeardDecision>[] {
  return [
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
    { name: "Subject", text: ({ decision }) => decision?.subject ?? "" },
    { name: "Kind", text: ({ decision }) => decision?.kind ?? "" },
    amount("Asked", pools, ({ decision }) => decision?.amount ?? 0n),
    amount("Granted", pools, ({ decision }) => decision?.grantedAmount ?? 0n),
    { name: "Currency", text: (row) => unitOf(row, pools), fileOnly: true },
    { name: "Operation", text: ({ decision }) => decision?.operationId ?? "" },
    { name: "Pool", text: ({ decision }) => decision?.poolId ?? "" },
    {
      name: "Link",
      text: ({ decision }) => Mode[decision?.mode ?? 0] ?? "",
      show: ({ decision }) => word(Mode[decision?.mode ?? 0]),
    },
    { name: "Sidecar", text: ({ sidecarId }) => sidecarId },
  ];
}

/** The latest decisions. */
export function DecisionTable({ loaded, name }: { loaded: Loaded<HeardDecision[]>; name: string }) {
  const accountIds = [...new Set((loaded.data ?? []).map(({ decision }) => decision?.accountId ?? ""))].sort();
  const pools = useLoad(`named ${JSON.stringify(accountIds)}`, (signal) => namedPools(accountIds, signal));
  return (
    <Table
      name={name}
      columns={columns(pools.data ?? new Map<string, Pool>())}
      loaded={loaded}
      empty="None was heard of since this replica started."
      rowKey={({ sidecarId, decision }) =>
        [sidecarId, decision?.decidedAtUnixMs, decision?.operationId, decision?.kind, decision?.reason].join("|")
      }
    />
  );
}
