/** One account: its pools, what is left of each and for how long, its grants, budgets and limits. */
import { useState } from "preact/hooks";
import { call } from "../api/client";
import { corrections, leases, pools } from "../api/lists";
import { readAll } from "../api/pages";
import { Enforcement, PartitionMode } from "../contract/holdfast/v1/decision_pb";
import {
  type Account,
  type Correction,
  type LeaseInfo,
  LedgerService,
  type Pool,
  type PoolBalance,
  type PoolWithBalance,
} from "../contract/holdfast/v1/ledger_service_pb";
import { formatAmount, plainAmount } from "../format/amount";
import { formatTime } from "../format/time";
import { Empty, Fault, Figure, Head, Section, word } from "../parts/basics";
import { Choice } from "../parts/fields";
import { type Column, Table } from "../parts/table";
import { mayChange, onlyAccount } from "../state/caller";
import { useLoad, usePaged } from "../state/load";
import { change, link, setting } from "../state/place";
import { PolicyAction } from "./account/actions";
import { BurnDown } from "./account/burn-down";
import { Grants } from "./account/grants";
import { Budgets, Limits } from "./account/rules";

const POLL_MS = 5_000;

interface Known {
  account: Account | undefined;
  pools: PoolWithBalance[];
}

/** The view; of another account nothing is left of what was shown before. */
export function AccountView() {
  const accountId = setting("account", onlyAccount());
  return <AccountOf key={accountId} accountId={accountId} />;
}

function AccountOf({ accountId }: { accountId: string }) {
  const loaded = useLoad<Known>(
    `account ${accountId}`,
    async (signal) => {
      const [answer, list] = await Promise.all([
        call(LedgerService.method.getAccount, { accountId }, signal),
        readAll(pools(accountId), 1_000, signal),
      ]);
      return { account: answer.account, pools: list };
    },
    POLL_MS,
  );
  const wanted = setting("pool");
  const known = loaded.data?.pools ?? [];
  const chosen = known.find((one) => one.pool?.poolId === wanted) ?? known[0];
  const list = known.flatMap((one) => one.pool ?? []);
  return (
    <>
      <Head title={loaded.data?.account?.displayName || accountId || "Account"} about={`Account ${accountId}`}>
        <a class="button" href={link("/usage", { account: accountId })}>
          Usage
        </a>
        <a class="button" href={link("/entries", { account: accountId, pool: chosen?.pool?.poolId ?? "" })}>
          Entries
        </a>
        <a class="button" href={link("/audit", { account: accountId })}>
          Audit trail
        </a>
      </Head>
      {known.length > 1 && (
        <div class="card controls">
          <div class="bar">
            <Choice
              label="Pool"
              value={chosen?.pool?.poolId ?? ""}
              onChange={(pool) => {
                change({ pool, grant: null });
              }}
              options={list.map(({ poolId, currency }) => [poolId, `${poolId} (${currency})`])}
            />
          </div>
        </div>
      )}
      <Fault error={loaded.error} retry={loaded.reload} />
      {chosen?.pool && chosen.balance ? (
        <PoolPart key={chosen.pool.poolId} pool={chosen.pool} balance={chosen.balance} pools={list} />
      ) : (
        !loaded.error && <Empty loading={loaded.loading && !loaded.data}>It has no pool.</Empty>
      )}
      {loaded.data && !chosen && <Limits accountId={accountId} />}
    </>
  );
}

function PoolPart({ pool, balance, pools: list }: { pool: Pool; balance: PoolBalance; pools: Pool[] }) {
  return (
    <>
      <Balance pool={pool} balance={balance} />
      <BurnDown pool={pool} balance={balance} />
      <Grants pool={pool} />
      <Budgets pool={pool} pools={list} />
      <Limits accountId={pool.accountId} />
      <PolicyPart pool={pool} />
      <Corrections pool={pool} pools={list} />
    </>
  );
}

function Balance({ pool, balance }: { pool: Pool; balance: PoolBalance }) {
  const { accountId, poolId, currency, currencyExponent } = pool;
  const loaded = useLoad(
    `out ${accountId} ${poolId}`,
    (signal) => readAll(leases({ accountId, poolId }), 10_000, signal),
    POLL_MS,
  );
  const figure = (name: string, value: bigint, note: string, bad = false) => (
    <Figure
      name={name}
      value={formatAmount(value, currencyExponent, { most: 2 })}
      note={note}
      full={`${formatAmount(value, currencyExponent)} ${currency}`}
      {...(bad && value > 0n && { tone: "bad" as const })}
    />
  );
  return (
    <Section title={`Balance of ${poolId}`} note={`In ${currency}.`}>
      <dl class="figures">
        {figure("Posted", balance.posted, "settled")}
        {figure("Leased to hosts", balance.leased, "open holds are among it")}
        {figure("Not leased", balance.free, "at the ledger, for any host")}
        {figure("Overdraft", balance.overdraft, "spent beyond all grants", true)}
        {figure("Overdraft bound", balance.overdraftBound, "if all that is out is spent")}
        {figure("Spent ever", balance.spentTotal, "less corrections")}
        {figure("Granted ever", balance.grantedTotal, "took effect")}
        {figure("Expired ever", balance.expiredTotal, "unspent")}
      </dl>
      <details>
        <summary>Leased to which host ({(loaded.data ?? []).filter((lease) => lease.outstanding > 0n).length})</summary>
        <Table
          name={`Leases of ${poolId}`}
          columns={leaseColumns(pool)}
          loaded={loaded}
          empty="No host has leased of it."
          rowKey={(lease) => `${lease.sidecarId} ${lease.birthEpoch}`}
        />
      </details>
    </Section>
  );
}

function leaseColumns({ currencyExponent }: Pool): Column<LeaseInfo>[] {
  const amount = (name: string, value: (lease: LeaseInfo) => bigint): Column<LeaseInfo> => ({
    name,
    number: true,
    text: (lease) => plainAmount(value(lease), currencyExponent),
    show: (lease) => formatAmount(value(lease), currencyExponent),
  });
  return [
    {
      name: "Sidecar",
      text: (lease) => lease.sidecarId,
      show: (lease) => <a href={link("/sidecars", { sidecar: lease.sidecarId })}>{lease.sidecarId}</a>,
    },
    amount("Out now", (lease) => lease.outstanding),
    amount("Allowance out", (lease) => lease.allowanceOutstanding),
    amount("Waited for", (lease) => lease.needed),
    amount("Posted ever", (lease) => lease.postedTotal),
  ];
}

function PolicyPart({ pool }: { pool: Pool }) {
  const [changing, setChanging] = useState(false);
  const { policy, currency, currencyExponent } = pool;
  const amount = (value = 0n): string => `${formatAmount(value, currencyExponent)} ${currency}`;
  const enforcement = policy?.enforcement || Enforcement.STRICT;
  const mode = policy?.partitionMode || PartitionMode.FAIL_CLOSED;
  const overdraft = policy?.overdraftLimitBps
    ? `${formatAmount(BigInt(policy.overdraftLimitBps), 2)} % of what is granted`
    : amount(policy?.overdraftLimit);
  return (
    <Section
      title="Policy"
      actions={
        mayChange() && (
          <button
            type="button"
            onClick={() => {
              setChanging(true);
            }}
          >
            Change the policy
          </button>
        )
      }
    >
      <dl class="pairs">
        <div>
          <dt>Enforcement</dt>
          <dd>{word(Enforcement[enforcement])}</dd>
        </div>
        {enforcement === Enforcement.OPTIMISTIC && (
          <div>
            <dt>Overdraft limit</dt>
            <dd>{overdraft}</dd>
          </div>
        )}
        <div>
          <dt>When cut off</dt>
          <dd>{word(PartitionMode[mode])}</dd>
        </div>
        {mode === PartitionMode.ALLOWANCE && (
          <div>
            <dt>Partition threshold</dt>
            <dd>{amount(policy?.partitionOverdraftLimit)}</dd>
          </div>
        )}
        <div>
          <dt>Shadow</dt>
          <dd>{policy?.shadow ? "yes: nothing is denied" : "no"}</dd>
        </div>
      </dl>
      {changing && (
        <PolicyAction
          pool={pool}
          onClose={() => {
            setChanging(false);
          }}
        />
      )}
    </Section>
  );
}

function Corrections({ pool, pools: list }: { pool: Pool; pools: Pool[] }) {
  const exponentOf = (correction: Correction): number =>
    list.find((one) => one.poolId === correction.poolId)?.currencyExponent ?? 0;
  const read = corrections(pool.accountId);
  const loaded = usePaged(`corrections ${pool.accountId}`, read);
  const columns: Column<Correction>[] = [
    { name: "Correction", text: (correction) => correction.correctionId },
    { name: "Pool", text: (correction) => correction.poolId },
    {
      name: "Operation",
      text: (correction) => correction.operationId,
      show: (correction) => (
        <a
          href={link("/entries", {
            account: correction.accountId,
            pool: correction.poolId,
            operation: correction.operationId,
          })}
        >
          {correction.operationId}
        </a>
      ),
    },
    {
      name: "Given back",
      number: true,
      text: (correction) => plainAmount(correction.amount, exponentOf(correction)),
      show: (correction) => formatAmount(correction.amount, exponentOf(correction)),
    },
    { name: "Posted", text: (correction) => formatTime(correction.postedAtUnixMs) },
  ];
  return (
    <Section title="Corrections">
      <Table
        name={`Corrections of ${pool.accountId}`}
        columns={columns}
        loaded={loaded}
        readAll={() => readAll(read)}
        rowKey={(correction) => correction.correctionId}
        empty="Nothing was given back."
      />
    </Section>
  );
}
