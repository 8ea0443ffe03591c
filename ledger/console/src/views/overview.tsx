/** The overview: what is used, what is left, what is denied, and whether the hosts are well. */
import { call } from "../api/client";
import { sidecars } from "../api/lists";
import { readAll } from "../api/pages";
import { AccessService, type ListDecisionsResponse } from "../contract/holdfast/v1/access_service_pb";
import { Mode, Reason } from "../contract/holdfast/v1/decision_pb";
import type { Sidecar } from "../contract/holdfast/v1/ledger_service_pb";
import { changePercent, formatAmount } from "../format/amount";
import { formatSpan, ms } from "../format/time";
import { Empty, Fault, Figure, Head, Section } from "../parts/basics";
import { DecisionTable } from "../parts/decision-table";
import { RangeBar } from "../parts/range-bar";
import { TotalFigures } from "../parts/total-figures";
import { onlyAccount } from "../state/caller";
import { type Loaded, useLoad } from "../state/load";
import { link, setting } from "../state/place";
import { readTotals } from "../state/pools";
import { range, type Range } from "../state/range";
import { type Answer, ask, MEASURES, type Settings, sum } from "./usage/question";
import { Cells, Drawn } from "./usage/results";

const POLL_MS = 5_000;
const USAGE_POLL_MS = 30_000;

/** The view. */
export function OverviewView() {
  const window = range("7d");
  const settings: Settings = {
    accountId: "",
    range: window,
    measure: MEASURES[0],
    unit: setting("unit"),
    by: [],
    filters: [],
    comparison: "previous",
    top: 0,
    hidden: [],
    trace: "",
  };
  const used = useLoad(`overview ${window.key} ${settings.unit}`, (signal) => ask(settings, signal), USAGE_POLL_MS);
  const hosts = useLoad(
    "sidecars",
    async (signal) => (onlyAccount() ? [] : readAll(sidecars, 10_000, signal)),
    POLL_MS,
  );
  const denied = useLoad(
    "denied",
    (signal) => call(AccessService.method.listDecisions, { deniedOnly: true, pageSize: 10 }, signal),
    POLL_MS,
  );
  return (
    <>
      <Head title="Overview" />
      <dl class="figures">
        <UsedFigures used={used} />
        {!onlyAccount() && <HostFigures hosts={hosts} denied={denied.data} />}
      </dl>
      <Section title="Credits used, and in the window before" actions={<UsageLink window={window} />}>
        <RangeBar window={window} />
        <Fault error={used.error} retry={used.reload} />
        {used.data ? (
          <>
            <Drawn settings={settings} loaded={used} answer={used.data} />
            <Cells settings={settings} loaded={used} answer={used.data} traced={false} />
          </>
        ) : (
          !used.error && <Empty loading>…</Empty>
        )}
      </Section>
      <Balances />
      <Section title="Latest denials" actions={<a href="/decisions">All decisions</a>}>
        <DecisionTable name="Latest denials" loaded={{ ...denied, data: denied.data?.decisions }} />
      </Section>
    </>
  );
}

function UsageLink({ window }: { window: Range }) {
  const settings = { from: setting("from"), to: setting("to"), last: setting("last"), compare: "previous" };
  return <a href={link("/usage", { ...settings, zone: setting("zone") && window.zone })}>Explore</a>;
}

function UsedFigures({ used }: { used: Loaded<Answer> }) {
  const answer = used.data;
  if (!answer) return <Figure name="Used" value="–" note={used.loading ? "loading" : "not known"} />;
  const { exponent, unit } = answer;
  const now = sum(answer.groups.map((group) => group.value));
  const before = sum(answer.groups.map((group) => group.compared));
  const behind = Math.max(0, Date.now() - ms(answer.completeUntil));
  return (
    <>
      <Figure
        name="Used"
        value={formatAmount(now, exponent, { most: 2 })}
        full={`${formatAmount(now, exponent)} ${unit}`}
        note={[unit, changePercent(now, before)].filter(Boolean).join(", ")}
      />
      <Figure name="Used before" value={formatAmount(before, exponent, { most: 2 })} note={unit} />
      <Figure
        name="Usage behind by"
        value={formatSpan(behind)}
        tone={behind > 60_000 ? "warn" : "good"}
        note="postings not in figures yet"
      />
    </>
  );
}

/** Decisions of all sidecars since each started, counted. */
export function countDecisions(answer: ListDecisionsResponse | undefined) {
  const counts = (answer?.sidecars ?? []).flatMap((sidecar) => sidecar.counts);
  const total = (those: typeof counts): bigint => sum(those.map((one) => one.count));
  return {
    all: total(counts),
    denied: total(counts.filter((one) => one.reason !== Reason.OK)),
    cutOff: total(counts.filter((one) => one.mode === Mode.PARTITIONED)),
  };
}

function HostFigures({ hosts, denied }: { hosts: Loaded<Sidecar[]>; denied: ListDecisionsResponse | undefined }) {
  const counts = countDecisions(denied);
  const known = hosts.data ?? [];
  const cut = known.filter((host) => !host.connected && host.reclaimAtUnixMs > 0n).length;
  const connected = known.filter((host) => host.connected).length;
  return (
    <>
      <Figure
        name="Denied"
        value={counts.denied.toLocaleString("en")}
        note={`of ${counts.all.toLocaleString("en")} decisions`}
      />
      <Figure name="Sidecars" value={connected.toString()} note={`connected here, of ${known.length}`} />
      <Figure
        name="Cut off"
        value={cut.toString()}
        tone={cut ? "bad" : "good"}
        note={`${counts.cutOff.toLocaleString("en")} decisions without the ledger`}
      />
    </>
  );
}

function Balances() {
  const loaded = useLoad("totals", readTotals, 4 * POLL_MS);
  return (
    <Section title="Balances and the overdraft bound">
      <Fault error={loaded.error} retry={loaded.reload} />
      {!loaded.data && !loaded.error && <Empty loading>…</Empty>}
      {loaded.data?.length === 0 && <Empty loading={false}>There is no pool yet.</Empty>}
      {loaded.data?.map((sums) => (
        <TotalFigures key={sums.currency + sums.currencyExponent.toString()} sums={sums} />
      ))}
    </Section>
  );
}
