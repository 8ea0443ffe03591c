/** What all pools of a currency come to. */
import type { BalanceTotals } from "../contract/holdfast/v1/ledger_service_pb";
import { formatAmount } from "../format/amount";
import { Figure, type Tone } from "./basics";

/** Settled, leased and free apart, and what the overdraft can come to. */
export function TotalFigures({ sums }: { sums: BalanceTotals }) {
  const { currency, currencyExponent: exponent } = sums;
  const figure = (name: string, value: bigint, note: string, tone: Tone = "plain") => (
    <Figure
      name={name}
      value={formatAmount(value, exponent, { most: 2 })}
      full={`${formatAmount(value, exponent)} ${currency}`}
      note={note}
      tone={tone}
    />
  );
  return (
    <dl class="figures">
      {figure(
        "Posted",
        sums.posted,
        `${currency}, ${counted(sums.poolCount, "pool")} of ${counted(sums.accountCount, "account")}`,
      )}
      {figure("Leased to hosts", sums.leased, "open holds are among it")}
      {figure("Not leased", sums.free, "at the ledger")}
      {figure("Allowances out", sums.allowanceLeased, "for hosts that are cut off")}
      {figure("Overdraft", sums.overdraft, "spent beyond all grants", sums.overdraft > 0n ? "bad" : "plain")}
      {figure("Overdraft bound", sums.overdraftBound, "if all that is out is spent")}
    </dl>
  );
}

function counted(count: bigint, what: string): string {
  return `${count.toLocaleString("en")} ${what}${count === 1n ? "" : "s"}`;
}
