/** The hosts: what is out at each, and what it could come to. */
import { call } from "../api/client";
import { leases, sidecars } from "../api/lists";
import { mapLimited, readAll } from "../api/pages";
import {
  type LeaseInfo,
  LedgerService,
  type PoolWithBalance,
  type Sidecar,
} from "../contract/holdfast/v1/ledger_service_pb";
import { PartitionMode } from "../contract/holdfast/v1/decision_pb";
import { formatAmount, plainAmount } from "../format/amount";
import { formatAgo, formatTime } from "../format/time";
import { Badge, Empty, Fault, Head, Section, word } from "../parts/basics";
import { type Column, Table } from "../parts/table";
import { TotalFigures } from "../parts/total-figures";
import { useLoad } from "../state/load";
import { changed, link, setting } from "../state/place";
import { readTotals } from "../state/pools";

const POLL_MS = 3_000;
/** So many pools are looked up beside the leases; each costs a call. */
const MAX_POOLS = 100;

type State = ["connected" | "cut off" | "gone", "good" | "bad" | "plain"];

function stateOf(host: Sidecar): State {
  if (host.connected) return ["connected", "good"];
  return host.reclaimAtUnixMs > 0n ? ["cut off", "bad"] : ["gone", "plain"];
}

const HOST_COLUMNS: Column<Sidecar>[] = [
  {
    name: "Sidecar",
    text: (host) => host.sidecarId,
    show: (host) => <a href={changed({ sidecar: host.sidecarId })}>{host.sidecarId}</a>,
  },
  {
    name: "Link",
    text: (host) => stateOf(host)[0],
    show: (host) => <Badge tone={stateOf(host)[1]}>{stateOf(host)[0]}</Badge>,
  },
  {
    name: "Last heard of",
    text: (host) => formatTime(host.lastSeenAtUnixMs),
    show: (host) => <span title={formatTime(host.lastSeenAtUnixMs)}>{formatAgo(host.lastSeenAtUnixMs)}</span>,
  },
  {
    name: "Rights reclaimed",
    text: (host) => formatTime(host.reclaimAtUnixMs),
    show: (host) => (host.reclaimAtUnixMs ? formatAgo(host.reclaimAtUnixMs) : "nothing is out"),
  },
  { name: "Epoch", number: true, text: (host) => host.epoch.toString() },
  { name: "Birth epoch", number: true, text: (host) => host.birthEpoch.toString(), fileOnly: true },
  { name: "Posted up to", number: true, text: (host) => host.ackedSequence.toString() },
  { name: "Version", text: (host) => host.version },
];

/** The view. */
export function SidecarsView() {
  const sidecarId = setting("sidecar");
  const hosts = useLoad("sidecars", (signal) => readAll(sidecars, 10_000, signal), POLL_MS);
  const chosen = sidecarId || (hosts.data?.[0]?.sidecarId ?? "");
  return (
    <>
      <Head
        title="Sidecars"
        about="A sidecar that is cut off goes on with what it has leased, and in ALLOWANCE pools with its allowance."
      />
      <Bound />
      <Section title="Hosts">
        <Table
          name="Sidecars"
          columns={HOST_COLUMNS}
          loaded={hosts}
          rowKey={(host) => host.sidecarId}
          empty="No sidecar has ever said Hello."
        />
      </Section>
      {chosen && <Leases sidecarId={chosen} />}
    </>
  );
}

const BOUND_NOTE =
  "However long hosts are cut off, the overdraft stays within the bound. Late settles, settles above their hold and " +
  "pools that fail open come on top.";

/** What is out at all hosts, and what it could come to. */
function Bound() {
  const loaded = useLoad("totals", readTotals, POLL_MS);
  return (
    <Section title="What is out, and the bound" note={BOUND_NOTE}>
      <Fault error={loaded.error} retry={loaded.reload} />
      {!loaded.data && !loaded.error && <Empty loading>…</Empty>}
      {loaded.data?.length === 0 && <Empty loading={false}>There is no pool yet.</Empty>}
      {loaded.data?.map((sums) => (
        <TotalFigures key={sums.currency + sums.currencyExponent.toString()} sums={sums} />
      ))}
    </Section>
  );
}

interface LeaseRow {
  lease: LeaseInfo;
  pool: PoolWithBalance | undefined;
}

async function readLeases(sidecarId: string, signal: AbortSignal): Promise<LeaseRow[]> {
  const all = await readAll(leases({ sidecarId }), 10_000, signal);
  const names = [...new Set(all.map(nameOf))].slice(0, MAX_POOLS);
  const found = await mapLimited(names, 6, async (name) => {
    const [accountId = "", poolId = ""] = JSON.parse(name) as string[];
    return call(LedgerService.method.getPool, { accountId, poolId }, signal);
  });
  const byName = new Map(names.map((name, place) => [name, found[place]]));
  return all.map((lease) => ({ lease, pool: byName.get(nameOf(lease)) as PoolWithBalance | undefined }));
}

function nameOf(lease: LeaseInfo): string {
  return JSON.stringify([lease.accountId, lease.poolId]);
}

function amount(name: string, value: (row: LeaseRow) => bigint): Column<LeaseRow> {
  const exponent = (row: LeaseRow): number => row.pool?.pool?.currencyExponent ?? 0;
  return {
    name,
    number: true,
    text: (row) => plainAmount(value(row), exponent(row)),
    show: (row) => formatAmount(value(row), exponent(row)),
  };
}

const LEASE_COLUMNS: Column<LeaseRow>[] = [
  {
    name: "Account",
    text: ({ lease }) => lease.accountId,
    show: ({ lease }) => (
      <a href={link("/account", { account: lease.accountId, pool: lease.poolId })}>{lease.accountId}</a>
    ),
  },
  { name: "Pool", text: ({ lease }) => lease.poolId },
  { name: "Currency", text: ({ pool }) => pool?.pool?.currency ?? "" },
  {
    name: "Life",
    text: ({ lease }) => lease.birthEpoch.toString(),
    show: ({ lease }) => (lease.birthEpoch ? `since epoch ${lease.birthEpoch}` : "replayed debits"),
  },
  amount("Out now", ({ lease }) => lease.outstanding),
  amount("Allowance out", ({ lease }) => lease.allowanceOutstanding),
  amount("Waited for", ({ lease }) => lease.needed),
  {
    name: "When cut off",
    text: ({ pool }) => PartitionMode[pool?.pool?.policy?.partitionMode ?? 0] ?? "",
    show: ({ pool }) => word(PartitionMode[pool?.pool?.policy?.partitionMode || PartitionMode.FAIL_CLOSED]),
  },
  amount("Pool's overdraft bound", ({ pool }) => pool?.balance?.overdraftBound ?? 0n),
  amount("Leased ever", ({ lease }) => lease.grantedTotal),
  amount("Posted ever", ({ lease }) => lease.postedTotal),
  amount("Returned ever", ({ lease }) => lease.returnedTotal),
  amount("Reclaimed ever", ({ lease }) => lease.reclaimedTotal),
];

function Leases({ sidecarId }: { sidecarId: string }) {
  const loaded = useLoad(`leases ${sidecarId}`, (signal) => readLeases(sidecarId, signal), POLL_MS);
  return (
    <Section
      title={`Leases of ${sidecarId}`}
      note="What is out can be spent without the ledger; holds are among it. The bound is of the whole pool."
    >
      <Table
        name={`Leases of ${sidecarId}`}
        columns={LEASE_COLUMNS}
        loaded={loaded}
        empty="It has no lease."
        rowKey={({ lease }) => `${nameOf(lease)} ${lease.birthEpoch}`}
      />
    </Section>
  );
}
