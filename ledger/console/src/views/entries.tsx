/** The journal of a pool, and what each line comes from. */
import { entries, oneEntry, pools } from "../api/lists";
import { readAll } from "../api/pages";
import { type Entry, EntryType } from "../contract/holdfast/v1/ledger_service_pb";
import { formatAmount, plainAmount } from "../format/amount";
import { formatTime } from "../format/time";
import { AccountField } from "../parts/account-field";
import { Badge, Empty, Fault, Head, Section, word } from "../parts/basics";
import { Dialog } from "../parts/dialog";
import { Choice, Text } from "../parts/fields";
import { type Column, Table } from "../parts/table";
import { onlyAccount } from "../state/caller";
import { useLoad, usePaged } from "../state/load";
import { change, changed, link, setting } from "../state/place";

/** The view; of another account nothing is left of what was shown before. */
export function EntriesView() {
  const accountId = setting("account", onlyAccount());
  return <EntriesOf key={accountId} accountId={accountId} />;
}

function EntriesOf({ accountId }: { accountId: string }) {
  const known = useLoad(`pools ${accountId}`, async (signal) =>
    accountId ? readAll(pools(accountId), 1_000, signal) : [],
  );
  const poolId = setting("pool") || (known.data?.[0]?.pool?.poolId ?? "");
  const pool = known.data?.find((one) => one.pool?.poolId === poolId)?.pool;
  return (
    <>
      <Head title="Entries" about="Every line moves an amount from one book to another, so the books sum to zero." />
      <div class="card controls">
        <div class="bar">
          <AccountField all={false} />
          <Choice
            label="Pool"
            value={poolId}
            onChange={(value) => {
              change({ pool: value, entry: null });
            }}
            options={(known.data ?? []).map((one) => [one.pool?.poolId ?? "", one.pool?.poolId ?? ""])}
          />
          <Text
            label="Operation"
            value={setting("operation")}
            placeholder="all"
            onChange={(operation) => {
              change({ operation: operation.trim(), entry: null });
            }}
          />
        </div>
      </div>
      <Fault error={known.error} retry={known.reload} />
      {pool ? (
        <Journal
          key={poolId}
          accountId={accountId}
          poolId={poolId}
          exponent={pool.currencyExponent}
          unit={pool.currency}
        />
      ) : (
        !known.error && <Empty loading={known.loading}>{whyEmpty(accountId, poolId)}</Empty>
      )}
    </>
  );
}

function whyEmpty(accountId: string, poolId: string): string {
  if (!accountId) return "Choose an account: each pool of it has a journal of its own.";
  return poolId ? `The account has no pool ${poolId}.` : "The account has no pool.";
}

interface JournalProps {
  accountId: string;
  poolId: string;
  exponent: number;
  unit: string;
}

function columns(exponent: number, unit: string): Column<Entry>[] {
  return [
    {
      name: "Entry",
      number: true,
      text: (entry) => entry.entryId.toString(),
      show: (entry) => (
        <a href={changed({ entry: entry.entryId.toString() })} aria-label={`Entry ${entry.entryId}`}>
          {entry.entryId.toString()}
        </a>
      ),
    },
    { name: "Posted", text: (entry) => formatTime(entry.postedAtUnixMs) },
    {
      name: "Type",
      text: (entry) => EntryType[entry.type],
      show: (entry) => <Badge>{word(EntryType[entry.type])}</Badge>,
    },
    { name: "From", text: (entry) => entry.fromBook },
    { name: "To", text: (entry) => entry.toBook },
    {
      name: `Amount (${unit})`,
      number: true,
      text: (entry) => plainAmount(entry.amount, exponent),
      show: (entry) => formatAmount(entry.amount, exponent),
    },
    { name: "Operation", text: (entry) => entry.operationId },
    { name: "Hold", text: (entry) => entry.holdId, fileOnly: true },
    { name: "Sidecar", text: (entry) => entry.sidecarId },
    { name: "Epoch", text: (entry) => entry.epoch.toString(), fileOnly: true },
    { name: "Sequence", text: (entry) => entry.sequence.toString(), fileOnly: true },
    { name: "Grant", text: (entry) => entry.grantId, fileOnly: true },
    { name: "Caller", text: (entry) => entry.caller, fileOnly: true },
    { name: "Correction", text: (entry) => entry.correctionId, fileOnly: true },
    { name: "Replayed", text: (entry) => (entry.replayed ? "yes" : ""), fileOnly: true },
  ];
}

function Journal({ accountId, poolId, exponent, unit }: JournalProps) {
  const operation = setting("operation");
  const read = entries(accountId, poolId, operation);
  const loaded = usePaged(`entries ${JSON.stringify([accountId, poolId, operation])}`, read);
  const chosenId = setting("entry");
  const chosen = useLoad(`entry ${JSON.stringify([accountId, poolId, chosenId])}`, async (signal) =>
    /^\d{1,18}$/.test(chosenId) ? oneEntry(accountId, poolId, BigInt(chosenId), signal) : undefined,
  );
  return (
    <Section title={operation ? `Journal of ${poolId}: operation ${operation}` : `Journal of ${poolId}`}>
      <Table
        name={`Entries of ${accountId} ${poolId}`}
        columns={columns(exponent, unit)}
        loaded={loaded}
        readAll={() => readAll(read)}
        rowKey={(entry) => entry.entryId.toString()}
        empty="Nothing was posted."
      />
      {chosenId && <Fault error={chosen.error} retry={chosen.reload} />}
      {chosenId && !chosen.loading && !chosen.error && !chosen.data && (
        <p role="status">
          The pool has no entry {chosenId}. <a href={changed({ entry: null })}>Close</a>
        </p>
      )}
      {chosenId && chosen.data?.entryId.toString() === chosenId && (
        <EntryDetail key={chosenId} entry={chosen.data} exponent={exponent} unit={unit} />
      )}
    </Section>
  );
}

/** One entry with all that it comes from. */
function EntryDetail({ entry, exponent, unit }: { entry: Entry; exponent: number; unit: string }) {
  const { accountId, poolId } = entry;
  const at = { account: accountId, pool: poolId };
  return (
    <Dialog
      title={`Entry ${entry.entryId}`}
      onClose={() => {
        change({ entry: null });
      }}
    >
      <dl class="pairs">
        <Pair name="Type">{word(EntryType[entry.type])}</Pair>
        <Pair name="Moved">
          {formatAmount(entry.amount, exponent)} {unit} from {entry.fromBook} to {entry.toBook}
        </Pair>
        <Pair name="Posted">{formatTime(entry.postedAtUnixMs)}</Pair>
        {entry.grantId && (
          <Pair name="Grant">
            <a href={link("/account", { ...at, grant: entry.grantId })}>{entry.grantId}</a>
          </Pair>
        )}
        {entry.operationId && (
          <Pair name="Operation">
            <a href={link("/entries", { ...at, operation: entry.operationId })}>{entry.operationId}</a>: all its entries
          </Pair>
        )}
        {entry.holdId && <Pair name="Hold">{entry.holdId}</Pair>}
        {entry.sidecarId && (
          <Pair name="Sidecar">
            <a href={link("/sidecars", { sidecar: entry.sidecarId })}>{entry.sidecarId}</a>, epoch{" "}
            {entry.epoch.toString()}, sequence {entry.sequence.toString()}
            {entry.replayed && ", replayed by an operator"}
          </Pair>
        )}
        {entry.caller && <Pair name="Caller">{entry.caller}</Pair>}
        {entry.correctionId && <Pair name="Correction">{entry.correctionId}</Pair>}
      </dl>
    </Dialog>
  );
}

function Pair(props: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}
