/** All accounts. */
import { accounts } from "../api/lists";
import { readAll } from "../api/pages";
import type { Account } from "../contract/holdfast/v1/ledger_service_pb";
import { formatTime } from "../format/time";
import { Head } from "../parts/basics";
import { Text } from "../parts/fields";
import { type Column, Table } from "../parts/table";
import { usePaged } from "../state/load";
import { change, link, setting } from "../state/place";

const COLUMNS: Column<Account>[] = [
  {
    name: "Account",
    text: (account) => account.accountId,
    show: (account) => <a href={link("/account", { account: account.accountId })}>{account.accountId}</a>,
  },
  { name: "Name", text: (account) => account.displayName },
  { name: "Created", text: (account) => formatTime(account.createdAtUnixMs) },
];

/** The view. */
export function AccountsView() {
  const loaded = usePaged("accounts", accounts);
  const wanted = setting("find").toLowerCase();
  const data = loaded.data?.filter(({ accountId, displayName }) =>
    `${accountId} ${displayName}`.toLowerCase().includes(wanted),
  );
  return (
    <>
      <Head title="Accounts" />
      <div class="card">
        <div class="bar">
          <Text
            label="Find"
            type="search"
            value={setting("find")}
            onChange={(find) => {
              change({ find });
            }}
          />
        </div>
        <Table
          name="Accounts"
          columns={COLUMNS}
          loaded={{ ...loaded, data }}
          readAll={() => readAll(accounts)}
          rowKey={(account) => account.accountId}
          empty={loaded.hasMore ? "None of those read so far; show more." : "There is no such account."}
        />
      </div>
    </>
  );
}
