/** What can be changed of an account: grants, caps, policies. Each is confirmed, and recorded by the ledger. */
import { create } from "@bufbuild/protobuf";
import { call } from "../../api/client";
import { Enforcement, PartitionMode, type Policy, PolicySchema } from "../../contract/holdfast/v1/decision_pb";
import {
  type Budget,
  BudgetSchema,
  GovernanceService,
  PeriodSchema,
  PeriodUnit,
} from "../../contract/holdfast/v1/governance_service_pb";
import { type Grant, GrantCategory, LedgerService, type Pool } from "../../contract/holdfast/v1/ledger_service_pb";
import { BudgetAction } from "../../contract/holdfast/v1/ledger_sync_service_pb";
import { currencyExponent, formatAmount, parseAmount, plainAmount } from "../../format/amount";
import { addDays, ownTimeZone, startOfDate } from "../../format/time";
import { word } from "../../parts/basics";
import { Action } from "../../parts/dialog";
import { Check, Choice, Text } from "../../parts/fields";
import { options, useForm } from "../../parts/forms";

interface PoolProps {
  pool: Pool;
  onClose: () => void;
}

function newId(kind: string): string {
  const random = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  return `${kind}-${new Date().toISOString().slice(0, 10)}-${random.toString(36)}`;
}

/** Puts credits into a pool. */
export function GrantAction({ pool, onClose }: PoolProps) {
  const [form, set] = useForm({
    id: newId("grant"),
    amount: "",
    category: "PAID",
    priority: "0",
    expires: "",
    cost: "",
    costCurrency: "USD",
    product: "",
  });
  const amount = parseAmount(form.amount, pool.currencyExponent);
  const cost = form.cost ? parseAmount(form.cost, currencyExponent(form.costCurrency)) : 0n;
  const check = (): string => {
    if (amount === undefined || amount <= 0n)
      return `The amount is more than 0, with ${pool.currencyExponent} decimals at most.`;
    if (!/^\d{1,4}$/.test(form.priority)) return "The priority is a number from 0 to 1000.";
    return cost === undefined || cost < 0n ? "The cost is an amount of its currency." : "";
  };
  const perform = () =>
    call(LedgerService.method.createGrant, {
      grant: {
        grantId: form.id.trim(),
        accountId: pool.accountId,
        poolId: pool.poolId,
        amount: amount ?? 0n,
        category: form.category === "PAID" ? GrantCategory.PAID : GrantCategory.PROMOTIONAL,
        priority: parseInt(form.priority, 10),
        costAmount: cost ?? 0n,
        costCurrency: cost ? form.costCurrency.trim() : "",
        expiresAtUnixMs: form.expires ? BigInt(startOfDate(addDays(form.expires, 1), ownTimeZone())) : 0n,
        metadata: form.product ? { product: form.product } : {},
      },
    });
  return (
    <Action
      title={`Grant to ${pool.accountId}`}
      verb="Grant"
      onClose={onClose}
      perform={perform}
      summary={() =>
        check() || [
          ["Pool", `${pool.accountId} / ${pool.poolId}`],
          ["Grants", `${formatAmount(amount ?? 0n, pool.currencyExponent)} ${pool.currency}`],
          ["Category", form.category.toLowerCase()],
          ["Bought for", cost ? `${form.cost} ${form.costCurrency}` : "nothing"],
          ["Expires", form.expires ? `at the end of ${form.expires}` : "never"],
          ["Id", form.id],
        ]
      }
    >
      <Text
        live
        label={`Amount in ${pool.currency}`}
        value={form.amount}
        onChange={set("amount")}
        placeholder="1000.00"
      />
      <Choice
        label="Category"
        value={form.category}
        onChange={set("category")}
        options={[
          ["PAID", "paid"],
          ["PROMOTIONAL", "promotional"],
        ]}
      />
      <div class="pair">
        <Text live label="Bought for" value={form.cost} onChange={set("cost")} placeholder="0.00" />
        <Text live label="Currency" value={form.costCurrency} onChange={set("costCurrency")} />
      </div>
      <div class="pair">
        <Text
          live
          label="Last day"
          type="date"
          value={form.expires}
          onChange={set("expires")}
          hint="empty: it never expires"
        />
        <Text live label="Priority" value={form.priority} onChange={set("priority")} hint="lower ones burn first" />
      </div>
      <Text live label="Product" value={form.product} onChange={set("product")} hint="for the revenue report" />
      <Text live label="Id" value={form.id} onChange={set("id")} hint="the same id never grants twice" />
    </Action>
  );
}

/** Takes what is left of a grant out of its pool. */
export function VoidAction({ grant, pool, onClose }: PoolProps & { grant: Grant }) {
  const { accountId, poolId, grantId } = grant;
  const pairs: [string, string][] = [
    ["Pool", `${accountId} / ${poolId}`],
    ["Grant", grantId],
    ["Takes back", `${formatAmount(grant.remaining, pool.currencyExponent)} ${pool.currency}, for good`],
  ];
  return (
    <Action
      title={`Void ${grantId}`}
      verb="Void the grant"
      danger
      onClose={onClose}
      summary={() => pairs}
      perform={() => call(LedgerService.method.voidGrant, { accountId, poolId, grantId })}
    >
      <p>
        What is left of it, {formatAmount(grant.remaining, pool.currencyExponent)} {pool.currency}, is taken out of the
        pool for good. What is leased to sidecars stays out.
      </p>
    </Action>
  );
}

const PERIODS = [PeriodUnit.HOUR, PeriodUnit.DAY, PeriodUnit.WEEK, PeriodUnit.MONTH];
const BUDGET_ACTIONS = [BudgetAction.HARD, BudgetAction.THROTTLE, BudgetAction.SOFT];

/** Sets a cap on what a subject spends. */
export function CapAction({ pool, budget, onClose }: PoolProps & { budget?: Budget }) {
  const [form, set] = useForm({
    id: budget?.budgetId ?? newId("budget"),
    subject: budget?.subject ?? "",
    limit: budget ? plainAmount(budget.limitAmount, pool.currencyExponent) : "",
    period: PeriodUnit[budget?.period?.unit ?? PeriodUnit.MONTH],
    action: BudgetAction[budget?.action || BudgetAction.HARD],
    shadow: budget?.shadow ?? false,
  });
  const limit = parseAmount(form.limit, pool.currencyExponent);
  const unit = PeriodUnit[form.period as keyof typeof PeriodUnit];
  const action = BudgetAction[form.action as keyof typeof BudgetAction];
  const perform = () =>
    call(GovernanceService.method.setBudgets, {
      accountId: pool.accountId,
      budgets: [
        create(BudgetSchema, {
          ...(budget ?? { currency: pool.currency, alertBps: action === BudgetAction.SOFT ? [8_000, 10_000] : [] }),
          budgetId: form.id.trim(),
          subject: form.subject.trim(),
          limitAmount: limit ?? 0n,
          shareBps: 0,
          shareOfBudgetId: "",
          action,
          shadow: form.shadow,
          period: budget?.period?.unit === unit ? budget.period : create(PeriodSchema, { unit }),
        }),
      ],
    });
  return (
    <Action
      title={budget ? `Cap ${budget.budgetId}` : `New cap for ${pool.accountId}`}
      verb="Set the cap"
      onClose={onClose}
      perform={perform}
      summary={() =>
        limit === undefined || limit < 0n
          ? `The limit is an amount with ${pool.currencyExponent} decimals at most.`
          : [
              ["Account", pool.accountId],
              ["Subject", form.subject || "the whole account"],
              ["May spend", `${formatAmount(limit, pool.currencyExponent)} ${pool.currency} a ${word(form.period)}`],
              ["When used up", form.shadow ? "only records what it would deny" : word(form.action)],
              ["Id", form.id],
            ]
      }
    >
      <Text live label="Subject" value={form.subject} onChange={set("subject")} hint="empty: the whole account" />
      <Text live label={`Limit in ${pool.currency}`} value={form.limit} onChange={set("limit")} />
      <div class="pair">
        <Choice
          label="Each"
          value={form.period}
          onChange={set("period")}
          options={options(PeriodUnit, PERIODS, form.period)}
        />
        <Choice
          label="When used up"
          value={form.action}
          onChange={set("action")}
          options={options(BudgetAction, BUDGET_ACTIONS)}
        />
      </div>
      <Check label="Shadow: only record what it would deny" value={form.shadow} onChange={set("shadow")} />
      {!budget && <Text live label="Id" value={form.id} onChange={set("id")} />}
    </Action>
  );
}

const ENFORCEMENTS = [Enforcement.STRICT, Enforcement.OPTIMISTIC];
const MODES = [PartitionMode.FAIL_CLOSED, PartitionMode.ALLOWANCE, PartitionMode.FAIL_OPEN];

/** Replaces the policy of a pool. */
export function PolicyAction({ pool, onClose }: PoolProps) {
  const policy = pool.policy ?? create(PolicySchema);
  const [form, set] = useForm({
    enforcement: Enforcement[policy.enforcement || Enforcement.STRICT],
    overdraft: plainAmount(policy.overdraftLimit, pool.currencyExponent),
    mode: PartitionMode[policy.partitionMode || PartitionMode.FAIL_CLOSED],
    threshold: plainAmount(policy.partitionOverdraftLimit, pool.currencyExponent),
    shadow: policy.shadow,
  });
  const optimistic = form.enforcement === "OPTIMISTIC";
  const allowance = form.mode === "ALLOWANCE";
  const overdraft = optimistic ? parseAmount(form.overdraft, pool.currencyExponent) : 0n;
  const threshold = allowance ? parseAmount(form.threshold, pool.currencyExponent) : 0n;
  const next: Policy = create(PolicySchema, {
    ...policy,
    enforcement: Enforcement[form.enforcement as keyof typeof Enforcement],
    partitionMode: PartitionMode[form.mode as keyof typeof PartitionMode],
    overdraftLimit: overdraft ?? 0n,
    overdraftLimitBps: optimistic && !overdraft ? policy.overdraftLimitBps : 0,
    partitionOverdraftLimit: threshold ?? 0n,
    shadow: form.shadow,
  });
  const { accountId, poolId } = pool;
  const told = (value: bigint | undefined) => `${formatAmount(value ?? 0n, pool.currencyExponent)} ${pool.currency}`;
  return (
    <Action
      title={`Policy of ${accountId} / ${poolId}`}
      verb="Set the policy"
      onClose={onClose}
      perform={() => call(LedgerService.method.setPolicy, { accountId, poolId, policy: next })}
      summary={() =>
        overdraft === undefined || threshold === undefined
          ? "The limits are amounts, 0 or more."
          : [
              ["Pool", `${accountId} / ${poolId}`],
              ["Enforcement", word(form.enforcement)],
              ...(optimistic ? [["Overdraft limit", told(overdraft)] as [string, string]] : []),
              ["When cut off", word(form.mode)],
              ...(allowance ? [["Partition threshold", told(threshold)] as [string, string]] : []),
              ["Shadow", form.shadow ? "yes: nothing is denied" : "no"],
            ]
      }
    >
      <Choice
        label="Enforcement"
        value={form.enforcement}
        onChange={set("enforcement")}
        options={options(Enforcement, ENFORCEMENTS)}
      />
      {optimistic && (
        <Text live label={`Overdraft limit in ${pool.currency}`} value={form.overdraft} onChange={set("overdraft")} />
      )}
      <Choice label="When cut off" value={form.mode} onChange={set("mode")} options={options(PartitionMode, MODES)} />
      {allowance && (
        <Text
          live
          label={`Partition threshold in ${pool.currency}`}
          value={form.threshold}
          onChange={set("threshold")}
          hint="the most that all cut-off hosts together may overspend"
        />
      )}
      <Check label="Shadow: only record what it would deny" value={form.shadow} onChange={set("shadow")} />
    </Action>
  );
}
