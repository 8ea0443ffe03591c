/** Who changed what. */
import { auditRecords } from "../api/lists";
import { readAll } from "../api/pages";
import type { AuditRecord } from "../contract/holdfast/v1/access_service_pb";
import { formatTime } from "../format/time";
import { AccountField } from "../parts/account-field";
import { Badge, Head } from "../parts/basics";
import { type Column, Table } from "../parts/table";
import { usePaged } from "../state/load";
import { link, setting } from "../state/place";

const COLUMNS: Column<AuditRecord>[] = [
  { name: "Record", number: true, text: (record) => record.auditId.toString() },
  { name: "Time", text: (record) => formatTime(record.calledAtUnixMs) },
  { name: "Call", text: (record) => record.method },
  {
    name: "Outcome",
    text: (record) => record.statusReason || (record.statusCode ? record.statusCode.toString() : "done"),
    show: (record) => (
      <Badge tone={record.statusCode ? "bad" : "good"}>
        {record.statusCode ? record.statusReason || `status ${record.statusCode}` : "done"}
      </Badge>
    ),
  },
  { name: "Credential", text: (record) => record.credentialId, show: (record) => record.credentialId || "none" },
  { name: "From", text: (record) => record.peer },
  {
    name: "Account",
    text: (record) => record.accountId,
    show: (record) =>
      record.accountId && <a href={link("/account", { account: record.accountId })}>{record.accountId}</a>,
  },
  {
    name: "Request",
    text: (record) => record.requestJson,
    show: (record) => (
      <details>
        <summary>show</summary>
        <pre>{pretty(record.requestJson)}</pre>
      </details>
    ),
  },
];

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

/** The view. */
export function AuditView() {
  const accountId = setting("account");
  const read = auditRecords(accountId);
  const loaded = usePaged(`audit ${accountId}`, read);
  return (
    <>
      <Head
        title="Audit trail"
        about="Every change that was asked for, by whom, and what became of it; newest first."
      />
      <div class="card">
        <div class="bar">
          <AccountField />
        </div>
        <Table
          name="Audit trail"
          columns={COLUMNS}
          loaded={loaded}
          readAll={() => readAll(read)}
          rowKey={(record) => record.auditId.toString()}
          empty="Nothing was changed yet."
        />
      </div>
    </>
  );
}
