/** What subjects may spend and how fast: the budgets as a tree, and the limits. */
import { useState } from "preact/hooks";
import { budgets, concurrencyLimits, rateLimits } from "../../api/lists";
import { readAll } from "../../api/pages";
import {
  type Budget,
  type BudgetUsage,
  type ConcurrencyLimit,
  PeriodUnit,
  type RateLimit,
} from "../../contract/holdfast/v1/governance_service_pb";
import { BudgetAction, RateUnit } from "../../contract/holdfast/v1/ledger_sync_service_pb";
import type { Pool } from "../../contract/holdfast/v1/ledger_service_pb";
import { formatAmount, plainAmount } from "../../format/amount";
import { formatAgo, formatSpan, formatTime, ms } from "../../format/time";
import { Badge, Gauge, Section, word } from "../../parts/basics";
import { type Column, Table } from "../../parts/table";
import { mayChange } from "../../state/caller";
import { useLoad } from "../../state/load";
import { CapAction } from "./actions";

/** Decimals of each currency of the account. */
type Exponents = Map<string, number>;

interface Node {
  name: string;
  budgets: BudgetUsage[];
  below: Map<string, Node>;
}

function tree(all: BudgetUsage[]): Node {
  const root: Node = { name: "the whole account", budgets: [], below: new Map() };
  for (const usage of all) {
    let node = root;
    for (const name of (usage.budget?.subject ?? "").split("/").filter(Boolean)) {
      const next = node.below.get(name) ?? { name, budgets: [], below: new Map<string, Node>() };
      node.below.set(name, next);
      node = next;
    }
    node.budgets.push(usage);
  }
  return root;
}

/** Budgets by subject with their gauges, and as a table. */
export function Budgets({ pool, pools }: { pool: Pool; pools: Pool[] }) {
  const [capping, setCapping] = useState<{ budget?: Budget; pool: Pool }>();
  const loaded = useLoad(`budgets ${pool.accountId}`, (signal) => readAll(budgets(pool.accountId), 10_000, signal));
  const exponents: Exponents = new Map(pools.map((one) => [one.currency, one.currencyExponent]));
  const edit = (budget: Budget): void => {
    setCapping({ budget, pool: pools.find((one) => one.currency === budget.currency) ?? pool });
  };
  return (
    <Section
      title="Budgets"
      actions={
        mayChange() && (
          <button
            type="button"
            onClick={() => {
              setCapping({ pool });
            }}
          >
            New cap
          </button>
        )
      }
    >
      {loaded.data && loaded.data.length > 0 && (
        <ul class="tree">
          <Branch node={tree(loaded.data)} exponents={exponents} onEdit={edit} />
        </ul>
      )}
      <BudgetTable loaded={loaded} accountId={pool.accountId} exponents={exponents} />
      {capping && (
        <CapAction
          {...capping}
          onClose={() => {
            setCapping(undefined);
          }}
        />
      )}
    </Section>
  );
}

function Branch({ node, exponents, onEdit }: { node: Node; exponents: Exponents; onEdit: (budget: Budget) => void }) {
  return (
    <li>
      <span class="tree-name">{node.name}</span>
      {node.budgets.map((usage) => (
        <BudgetGauge key={usage.budget?.budgetId} usage={usage} exponents={exponents} onEdit={onEdit} />
      ))}
      {node.below.size > 0 && (
        <ul>
          {[...node.below.values()].map((below) => (
            <Branch key={below.name} node={below} exponents={exponents} onEdit={onEdit} />
          ))}
        </ul>
      )}
    </li>
  );
}

function BudgetGauge({
  usage,
  exponents,
  onEdit,
}: {
  usage: BudgetUsage;
  exponents: Exponents;
  onEdit: (budget: Budget) => void;
}) {
  const { budget } = usage;
  if (!budget) return null;
  const exponent = exponents.get(budget.currency) ?? 0;
  const text = (value: bigint): string => formatAmount(value, exponent, { most: 2 });
  const period = budget.period;
  const each =
    period?.unit === PeriodUnit.ROLLING
      ? `in ${formatSpan(ms(period.rollingMs))}`
      : `a ${word(PeriodUnit[period?.unit ?? 0])}`;
  return (
    <div class="budget">
      <div class="budget-head">
        <span>
          <strong>{budget.budgetId}</strong> {text(usage.limitAmount)} {budget.currency} {each}
          {usage.periodEndUnixMs > 0n && <span class="note">, anew {formatAgo(usage.periodEndUnixMs)}</span>}
        </span>
        <span class="row-actions">
          {Object.entries(budget.match).map(([key, value]) => (
            <Badge key={key}>
              {key}={value}
            </Badge>
          ))}
          {budget.shadow && <Badge tone="warn">shadow</Badge>}
          <Badge>{word(BudgetAction[budget.action || BudgetAction.HARD])}</Badge>
          {mayChange() && budget.shareBps === 0 && (
            <button
              type="button"
              class="small"
              onClick={() => {
                onEdit(budget);
              }}
              aria-label={`Change ${budget.budgetId}`}
            >
              Change
            </button>
          )}
        </span>
      </div>
      <Gauge
        label={`Used of ${budget.budgetId}`}
        used={usage.usedAmount}
        held={usage.leasedAmount}
        limit={usage.limitAmount}
        text={`${text(usage.usedAmount)} used, ${text(usage.leasedAmount)} leased of ${text(usage.limitAmount)}`}
      />
    </div>
  );
}

function BudgetTable({
  loaded,
  accountId,
  exponents,
}: {
  loaded: Parameters<typeof Table<BudgetUsage>>[0]["loaded"];
  accountId: string;
  exponents: Exponents;
}) {
  const amount = (name: string, value: (usage: BudgetUsage) => bigint): Column<BudgetUsage> => ({
    name,
    number: true,
    text: (usage) => plainAmount(value(usage), exponents.get(usage.budget?.currency ?? "") ?? 0),
    show: (usage) => formatAmount(value(usage), exponents.get(usage.budget?.currency ?? "") ?? 0),
  });
  const table = (
    <Table
      name={`Budgets of ${accountId}`}
      loaded={loaded}
      rowKey={(usage) => usage.budget?.budgetId ?? ""}
      empty="There is no budget."
      columns={[
        { name: "Budget", text: ({ budget }) => budget?.budgetId ?? "" },
        { name: "Subject", text: ({ budget }) => budget?.subject ?? "" },
        { name: "Currency", text: ({ budget }) => budget?.currency ?? "" },
        amount("Limit", (usage) => usage.limitAmount),
        amount("Used", (usage) => usage.usedAmount),
        amount("Leased", (usage) => usage.leasedAmount),
        { name: "Period", text: ({ budget }) => word(PeriodUnit[budget?.period?.unit ?? 0]) },
        { name: "Began", text: (usage) => formatTime(usage.periodStartUnixMs) },
        { name: "Ends", text: (usage) => formatTime(usage.periodEndUnixMs) },
        { name: "Action", text: ({ budget }) => word(BudgetAction[budget?.action ?? 0]) },
        { name: "Shadow", text: ({ budget }) => (budget?.shadow ? "yes" : "") },
      ]}
    />
  );
  if (!loaded.data?.length) return table;
  return (
    <details>
      <summary>As a table</summary>
      {table}
    </details>
  );
}

function scope(match: Record<string, string>): string {
  return Object.entries(match)
    .map((pair) => pair.join("="))
    .join(" ");
}

/** How fast, and how much at once. */
export function Limits({ accountId }: { accountId: string }) {
  const rates = useLoad(`rates ${accountId}`, (signal) => readAll(rateLimits(accountId), 10_000, signal));
  const counts = useLoad(`counts ${accountId}`, (signal) => readAll(concurrencyLimits(accountId), 10_000, signal));
  return (
    <>
      <Section title="Rate limits">
        <Table
          name={`Rate limits of ${accountId}`}
          loaded={rates}
          empty="There is no rate limit."
          rowKey={(limit: RateLimit) => limit.rule?.limitId ?? ""}
          columns={[
            { name: "Limit", text: ({ rule }) => rule?.limitId ?? "" },
            { name: "Subject", text: ({ subject }) => subject, show: ({ subject }) => subject || "the whole account" },
            {
              name: "Counts",
              text: ({ rule }) => [word(RateUnit[rule?.unit ?? 0]), ...(rule?.meters ?? [])].join(" "),
            },
            { name: "Rate", text: ({ rule }) => `${rule?.amount ?? 0n} in ${formatSpan(ms(rule?.perMs ?? 0n))}` },
            { name: "At once", number: true, text: ({ rule }) => (rule?.burst ?? 0n).toString() },
            { name: "Of", text: ({ rule }) => (rule?.shared ? "all hosts" : "each host") },
            { name: "Where", text: ({ rule }) => scope(rule?.match ?? {}) },
            { name: "Shadow", text: ({ rule }) => (rule?.shadow ? "yes" : "") },
          ]}
        />
      </Section>
      <Section title="Concurrency limits">
        <Table
          name={`Concurrency limits of ${accountId}`}
          loaded={counts}
          empty="There is no concurrency limit."
          rowKey={(limit: ConcurrencyLimit) => limit.rule?.limitId ?? ""}
          columns={[
            { name: "Limit", text: ({ rule }) => rule?.limitId ?? "" },
            { name: "Subject", text: ({ subject }) => subject, show: ({ subject }) => subject || "the whole account" },
            { name: "Holds at once", number: true, text: ({ rule }) => (rule?.maxCount ?? 0n).toString() },
            { name: "Of", text: ({ rule }) => (rule?.shared ? "all hosts" : "each host") },
            { name: "Where", text: ({ rule }) => scope(rule?.match ?? {}) },
            { name: "Shadow", text: ({ rule }) => (rule?.shadow ? "yes" : "") },
          ]}
        />
      </Section>
    </>
  );
}
