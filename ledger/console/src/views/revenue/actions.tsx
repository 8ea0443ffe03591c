/** What can be done with the books: close a month, say how revenue is treated, take the journal home. */
import { create } from "@bufbuild/protobuf";
import { useState } from "preact/hooks";
import { ApiError, call } from "../../api/client";
import {
  BooksService,
  BreakageMethod,
  ExportFormat,
  PromotionalTreatment,
  type RevenuePolicy,
  RevenuePolicySchema,
} from "../../contract/holdfast/v1/books_service_pb";
import { formatAmount } from "../../format/amount";
import { download } from "../../format/csv";
import { Empty, Fault, Section, word } from "../../parts/basics";
import { Action } from "../../parts/dialog";
import { Choice, Text } from "../../parts/fields";
import { mayAdminister } from "../../state/caller";
import { useLoad } from "../../state/load";

/** Closes a month. */
export function CloseAction({ last, onClose }: { last: string; onClose: () => void }) {
  const [period, setPeriod] = useState(last);
  return (
    <Action
      title="Close a month"
      verb="Close it for good"
      danger
      onClose={onClose}
      perform={() => call(BooksService.method.closePeriod, { period })}
      summary={() =>
        /^\d{4}-\d\d$/.test(period)
          ? [
              ["Closes", `${period}, and all months before it`],
              ["After that", "its figures never change"],
            ]
          : "The month is written like 2026-10."
      }
    >
      <Text live label="Month" type="month" value={period} onChange={setPeriod} hint="a month that is over" />
    </Action>
  );
}

/** How revenue is treated, and its change. */
export function PolicyPart() {
  const [changing, setChanging] = useState(false);
  const loaded = useLoad("revenue policy", (signal) => call(BooksService.method.getRevenuePolicy, {}, signal));
  const policy = loaded.data?.policy;
  return (
    <Section
      title="How revenue is treated"
      actions={
        policy &&
        mayAdminister() && (
          <button
            type="button"
            onClick={() => {
              setChanging(true);
            }}
          >
            Change the treatment
          </button>
        )
      }
    >
      <Fault error={loaded.error} retry={loaded.reload} />
      {policy ? (
        <dl class="pairs">
          {tell(policy).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      ) : (
        !loaded.error && <Empty loading>…</Empty>
      )}
      {changing && policy && (
        <TreatmentAction
          policy={policy}
          onClose={() => {
            setChanging(false);
          }}
        />
      )}
    </Section>
  );
}

function tell(policy: RevenuePolicy): [string, string][] {
  const estimate = policy.breakage === BreakageMethod.ESTIMATE;
  const contra = policy.promotional === PromotionalTreatment.CONTRA_REVENUE;
  return [
    [
      "Breakage",
      word(BreakageMethod[policy.breakage]) + (estimate ? `, ${formatAmount(BigInt(policy.breakageBps), 2)} %` : ""),
    ],
    ["Promotional credits", word(PromotionalTreatment[policy.promotional])],
    ...(contra
      ? [
          [
            "Price of promotional credits",
            `${policy.promotionalPriceAmount} minor ${policy.promotionalCurrency} for ${policy.promotionalPerAmount}`,
          ] as [string, string],
        ]
      : []),
  ];
}

function TreatmentAction({ policy, onClose }: { policy: RevenuePolicy; onClose: () => void }) {
  const [form, setForm] = useState({
    breakage: BreakageMethod[policy.breakage],
    bps: policy.breakageBps.toString(),
    promotional: PromotionalTreatment[policy.promotional],
    price: policy.promotionalPriceAmount.toString(),
    per: (policy.promotionalPerAmount || 1_000_000n).toString(),
    currency: policy.promotionalCurrency || "USD",
  });
  const set =
    (name: keyof typeof form) =>
    (value: string): void => {
      setForm({ ...form, [name]: value });
    };
  const estimate = form.breakage === "ESTIMATE";
  const contra = form.promotional === "CONTRA_REVENUE";
  const digits = (text: string): boolean => /^\d{1,18}$/.test(text);
  const next = (): RevenuePolicy =>
    create(RevenuePolicySchema, {
      breakage: BreakageMethod[form.breakage as keyof typeof BreakageMethod],
      breakageBps: estimate ? parseInt(form.bps, 10) : 0,
      promotional: PromotionalTreatment[form.promotional as keyof typeof PromotionalTreatment],
      ...(contra && {
        promotionalPriceAmount: BigInt(form.price),
        promotionalPerAmount: BigInt(form.per),
        promotionalCurrency: form.currency,
      }),
    });
  return (
    <Action
      title="How revenue is treated"
      verb="Set the treatment"
      onClose={onClose}
      perform={() => call(BooksService.method.setRevenuePolicy, { policy: next() })}
      summary={() =>
        [form.bps, form.price, form.per].every(digits)
          ? [...tell(next()), ["Holds for", "months that are open"]]
          : "Shares and prices are whole numbers."
      }
    >
      <Choice
        label="Breakage"
        value={form.breakage}
        onChange={set("breakage")}
        options={[
          ["AT_EXPIRY", "when a grant expires"],
          ["ESTIMATE", "by estimate, as it burns"],
        ]}
      />
      {estimate && <Text live label="Share never used, in basis points" value={form.bps} onChange={set("bps")} />}
      <Choice
        label="Promotional credits"
        value={form.promotional}
        onChange={set("promotional")}
        options={[
          ["NO_REVENUE", "no revenue"],
          ["CONTRA_REVENUE", "lower revenue as they burn"],
        ]}
      />
      {contra && (
        <>
          <Text live label="Price, minor units" value={form.price} onChange={set("price")} />
          <Text live label="For so many minor units of credits" value={form.per} onChange={set("per")} />
          <Text live label="Currency" value={form.currency} onChange={set("currency")} />
        </>
      )}
    </Action>
  );
}

/** Journal lines with all that they come from, as files. */
export function ExportPart(props: { first: string; last: string; accountId: string }) {
  const [state, setState] = useState<{ busy: boolean; text: string; error?: ApiError }>({ busy: false, text: "" });
  const save = async (format: ExportFormat): Promise<void> => {
    setState({ busy: true, text: "" });
    try {
      const lines = await exportAll(props, format);
      setState({ busy: false, text: `${lines.toLocaleString("en")} lines` });
    } catch (fault) {
      setState({
        busy: false,
        text: "",
        error: fault instanceof ApiError ? fault : new ApiError("internal", String(fault), ""),
      });
    }
  };
  return (
    <Section
      title="Journal lines of these months"
      note="Each line with its debit, hold, request, subject and dimensions."
    >
      <div class="bar">
        <button type="button" disabled={state.busy} onClick={() => void save(ExportFormat.CSV)}>
          Export CSV
        </button>
        <button type="button" disabled={state.busy} onClick={() => void save(ExportFormat.PARQUET)}>
          Export Parquet
        </button>
        <span role="status">{state.busy ? "Reading…" : state.text}</span>
      </div>
      <Fault error={state.error} />
    </Section>
  );
}

async function exportAll(
  props: { first: string; last: string; accountId: string },
  format: ExportFormat,
): Promise<number> {
  const { accountId, first: firstPeriod, last: lastPeriod } = props;
  let lines = 0;
  let part = 0;
  let pageToken = "";
  do {
    const page = await call(BooksService.method.exportEntries, {
      format,
      accountId,
      firstPeriod,
      lastPeriod,
      pageSize: 100_000,
      pageToken,
    });
    part += 1;
    lines += page.lineCount;
    pageToken = page.nextPageToken;
    const number = part > 1 || pageToken ? `-${part}` : "";
    const [suffix, type] =
      format === ExportFormat.CSV ? ["csv", "text/csv"] : ["parquet", "application/vnd.apache.parquet"];
    // Each page is a whole file; the copy is what a Blob takes, whatever buffer the bytes are in.
    download(`entries-${firstPeriod}-${lastPeriod}${number}.${suffix}`, new Uint8Array(page.content), type);
  } while (pageToken);
  return lines;
}
