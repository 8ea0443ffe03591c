/** Chooses an account by its id, with the known ones offered. */
import { accounts } from "../api/lists";
import { onlyAccount } from "../state/caller";
import { useLoad } from "../state/load";
import { change, setting } from "../state/place";
import { Text } from "./fields";

/** The setting `account` of a view; hidden from who has one account alone. */
export function AccountField({ all = true }: { all?: boolean }) {
  const known = useLoad("accounts", async (signal) => (onlyAccount() ? undefined : accounts("", signal)));
  if (onlyAccount()) return null;
  return (
    <Text
      label="Account"
      value={setting("account")}
      placeholder={all ? "all" : ""}
      offers={(known.data?.items ?? []).map((account) => account.accountId)}
      onChange={(value) => {
        change({ account: value.trim(), pool: null, trace: null });
      }}
    />
  );
}
