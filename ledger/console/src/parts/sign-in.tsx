/** Asks for a credential's token. */
import { useState } from "preact/hooks";
import { caller } from "../state/caller";
import { setToken, token, tokenWanted } from "../state/token";
import { Dialog } from "./dialog";
import { Text } from "./fields";

/** The dialog in which a token is given, or forgotten. */
export function SignIn() {
  const [value, setValue] = useState(token.value);
  const close = (): void => {
    tokenWanted.value = false;
  };
  const who = caller.value?.credential;
  return (
    <Dialog title="Sign in" onClose={close}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          setToken(value.trim());
        }}
      >
        <p>
          {who
            ? `You are ${who.credentialId}${who.accountId && `, for the account ${who.accountId}`}.`
            : "The ledger's answers depend on who asks. Paste the token of a credential."}
        </p>
        <Text
          live
          label="Token"
          type="password"
          value={value}
          onChange={setValue}
          placeholder="hf_…"
          hint="Kept in this tab alone, until it is closed."
        />
        <div class="dialog-foot">
          <button
            type="button"
            onClick={() => {
              setToken("");
            }}
          >
            Sign out
          </button>
          <button type="submit" class="primary">
            Sign in
          </button>
        </div>
      </form>
    </Dialog>
  );
}
