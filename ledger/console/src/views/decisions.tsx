/** What the sidecars decide, as it happens. */
import { useState } from "preact/hooks";
import { call } from "../api/client";
import { AccessService, type SidecarDecisions } from "../contract/holdfast/v1/access_service_pb";
import { Mode, Reason } from "../contract/holdfast/v1/decision_pb";
import type { DecisionCount } from "../contract/holdfast/v1/ingest_service_pb";
import { formatAgo } from "../format/time";
import { AccountField } from "../parts/account-field";
import { Badge, Head, Section, word } from "../parts/basics";
import { DecisionTable, reasonTone } from "../parts/decision-table";
import { Choice, Segments } from "../parts/fields";
import { type Column, Table } from "../parts/table";
import { useLoad } from "../state/load";
import { change, setting } from "../state/place";

const POLL_MS = 2_000;

interface CountRow {
  host: SidecarDecisions;
  count: DecisionCount;
}

const COUNT_COLUMNS: Column<CountRow>[] = [
  { name: "Sidecar", text: ({ host }) => host.sidecarId },
  {
    name: "Reason",
    text: ({ count }) => Reason[count.reason],
    show: ({ count }) => <Badge tone={reasonTone(count.reason)}>{word(Reason[count.reason])}</Badge>,
  },
  { name: "Link", text: ({ count }) => Mode[count.mode], show: ({ count }) => word(Mode[count.mode]) },
  {
    name: "Decisions",
    number: true,
    text: ({ count }) => count.count.toString(),
    show: ({ count }) => count.count.toLocaleString("en"),
  },
  { name: "Told", text: ({ host }) => formatAgo(host.toldAtUnixMs) },
];

const REASONS: [string, string][] = [
  ["", "any"],
  ...Object.values(Reason)
    .filter((value): value is Reason => typeof value === "number" && value !== Reason.UNSPECIFIED)
    .map((value): [string, string] => [Reason[value], word(Reason[value])]),
];

/** The view. */
export function DecisionsView() {
  const [live, setLive] = useState(true);
  const accountId = setting("account");
  const deniedOnly = setting("show") === "denied";
  const reason = setting("reason");
  const request = { accountId, deniedOnly, pageSize: 1000 };
  const loaded = useLoad(
    `decisions ${accountId} ${deniedOnly}`,
    (signal) => call(AccessService.method.listDecisions, request, signal),
    live ? POLL_MS : 0,
  );
  const decisions = loaded.data?.decisions.filter(
    ({ decision }) => !reason || Reason[decision?.reason ?? 0] === reason,
  );
  const counts = loaded.data?.sidecars.flatMap((host) => host.counts.map((count) => ({ host, count })));
  return (
    <>
      <Head
        title="Decisions"
        about="The latest that this replica has heard of; every denial before any that was allowed."
      >
        <button
          type="button"
          aria-pressed={live}
          onClick={() => {
            setLive(!live);
          }}
        >
          {live ? "Pause" : "Go on"}
        </button>
      </Head>
      <div class="card controls">
        <div class="bar">
          <AccountField />
          <Segments
            label="Show"
            value={setting("show")}
            options={[
              ["", "All"],
              ["denied", "Denied"],
            ]}
            onChange={(show) => {
              change({ show });
            }}
          />
          <Choice
            label="Reason"
            value={reason}
            options={REASONS}
            onChange={(value) => {
              change({ reason: value });
            }}
          />
        </div>
      </div>
      <Section title="Latest">
        <DecisionTable name="Decisions" loaded={{ ...loaded, data: decisions }} />
      </Section>
      <Section title="By sidecar, since it started">
        <Table
          name="Decisions by sidecar"
          columns={COUNT_COLUMNS}
          loaded={{ ...loaded, data: counts }}
          rowKey={({ host, count }) => `${host.sidecarId}|${count.reason}|${count.mode}`}
          empty="No sidecar has told any."
        />
      </Section>
    </>
  );
}
