/** Grants in the order in which they burn. */
import { useState } from "preact/hooks";
import { grants } from "../../api/lists";
import { readAll } from "../../api/pages";
import { type Grant, GrantCategory, GrantState, type Pool } from "../../contract/holdfast/v1/ledger_service_pb";
import { currencyExponent, formatAmount, plainAmount } from "../../format/amount";
import { formatTime } from "../../format/time";
import { Badge, Gauge, Section, type Tone, word } from "../../parts/basics";
import { type Column, Table } from "../../parts/table";
import { mayChange } from "../../state/caller";
import { usePaged } from "../../state/load";
import { setting } from "../../state/place";
import { GrantAction, VoidAction } from "./actions";

const TONES: Partial<Record<GrantState, Tone>> = {
  [GrantState.ACTIVE]: "good",
  [GrantState.PENDING]: "warn",
  [GrantState.VOIDED]: "bad",
  [GrantState.EXPIRED]: "bad",
};

/** The list, with what can be done. */
export function Grants({ pool }: { pool: Pool }) {
  const [granting, setGranting] = useState(false);
  const [voiding, setVoiding] = useState<Grant>();
  const read = grants(pool.accountId, pool.poolId);
  const loaded = usePaged(`grants ${pool.accountId} ${pool.poolId}`, read);
  const columns = columnsOf(pool, loaded.data ?? []);
  if (mayChange()) {
    columns.push({
      name: "Actions",
      screenOnly: true,
      text: () => "",
      show: (grant) =>
        (grant.state === GrantState.ACTIVE || grant.state === GrantState.PENDING) && (
          <button
            type="button"
            class="small"
            onClick={() => {
              setVoiding(grant);
            }}
            aria-label={`Void ${grant.grantId}`}
          >
            Void
          </button>
        ),
    });
  }
  return (
    <Section
      title="Grants, in the order in which they burn"
      actions={
        mayChange() && (
          <button
            type="button"
            class="primary"
            onClick={() => {
              setGranting(true);
            }}
          >
            Grant
          </button>
        )
      }
    >
      <Table
        name={`Grants of ${pool.poolId}`}
        columns={columns}
        loaded={loaded}
        readAll={() => readAll(read)}
        rowKey={(grant) => grant.grantId}
        empty="Nothing was granted."
      />
      {granting && (
        <GrantAction
          pool={pool}
          onClose={() => {
            setGranting(false);
          }}
        />
      )}
      {voiding && (
        <VoidAction
          pool={pool}
          grant={voiding}
          onClose={() => {
            setVoiding(undefined);
          }}
        />
      )}
    </Section>
  );
}

function columnsOf(pool: Pool, rows: Grant[]): Column<Grant>[] {
  const exponent = pool.currencyExponent;
  const amount = (name: string, value: (grant: Grant) => bigint): Column<Grant> => ({
    name: `${name} (${pool.currency})`,
    number: true,
    text: (grant) => plainAmount(value(grant), exponent),
    show: (grant) => formatAmount(value(grant), exponent),
  });
  const chosen = setting("grant");
  return [
    { name: "Order", number: true, text: (grant) => (rows.indexOf(grant) + 1).toString() },
    {
      name: "Grant",
      text: (grant) => grant.grantId,
      show: (grant) => (grant.grantId === chosen ? <mark>{grant.grantId}</mark> : grant.grantId),
    },
    {
      name: "State",
      text: (grant) => word(GrantState[grant.state]),
      show: (grant) => <Badge tone={TONES[grant.state] ?? "plain"}>{word(GrantState[grant.state])}</Badge>,
    },
    {
      name: "Burned",
      screenOnly: true,
      text: () => "",
      show: (grant) => (
        <Gauge
          label={`Burned of ${grant.grantId}`}
          tone="good"
          used={grant.amount - grant.remaining - grant.expiredAmount}
          limit={grant.amount}
          text={`${formatAmount(grant.remaining, exponent, { most: 2 })} left`}
        />
      ),
    },
    amount("Amount", (grant) => grant.amount),
    amount("Left", (grant) => grant.remaining),
    { name: "Category", text: (grant) => word(GrantCategory[grant.category]) },
    { name: "Priority", number: true, text: (grant) => grant.priority.toString() },
    { name: "Effective", text: (grant) => formatTime(grant.effectiveAtUnixMs || grant.createdAtUnixMs) },
    {
      name: "Expires",
      text: (grant) => formatTime(grant.expiresAtUnixMs),
      show: (grant) => formatTime(grant.expiresAtUnixMs) || "never",
    },
    {
      name: "Bought for",
      text: (grant) =>
        grant.costCurrency &&
        `${plainAmount(grant.costAmount, currencyExponent(grant.costCurrency))} ${grant.costCurrency}`,
    },
    {
      name: "Metadata",
      text: (grant) =>
        Object.entries(grant.metadata)
          .map((pair) => pair.join("="))
          .join(" "),
    },
    { name: "Rolled from", text: (grant) => grant.rolledFrom, fileOnly: true },
  ];
}
