/** The frame around the views. */
import type { ComponentType } from "preact";
import { useEffect, useErrorBoundary, useRef } from "preact/hooks";
import { ApiError } from "./api/client";
import { Empty, Fault } from "./parts/basics";
import { ownTimeZone } from "./format/time";
import { Help } from "./parts/help";
import { SignIn } from "./parts/sign-in";
import { caller, callerKnown, onlyAccount, readCaller } from "./state/caller";
import { followLinks, place } from "./state/place";
import { helpShown, onKey, VIEWS } from "./state/shortcuts";
import { theme, toggleTheme } from "./state/theme";
import { askForToken, token, tokenWanted } from "./state/token";
import { AccountView } from "./views/account";
import { AccountsView } from "./views/accounts";
import { AuditView } from "./views/audit";
import { DecisionsView } from "./views/decisions";
import { EntriesView } from "./views/entries";
import { MetersView } from "./views/meters";
import { NowhereView } from "./views/nowhere";
import { OverviewView } from "./views/overview";
import { RevenueView } from "./views/revenue";
import { SidecarsView } from "./views/sidecars";
import { UsageView } from "./views/usage";

const PAGES: Record<string, ComponentType> = {
  "/": OverviewView,
  "/usage": UsageView,
  "/accounts": AllAccountsView,
  "/account": AccountView,
  "/decisions": DecisionsView,
  "/sidecars": SidecarsView,
  "/entries": EntriesView,
  "/revenue": RevenueView,
  "/meters": MetersView,
  "/audit": AuditView,
};

/** Who may see one account alone is shown that one. */
function AllAccountsView() {
  return onlyAccount() ? <AccountView /> : <AccountsView />;
}

/** Views of no use to who may see one account alone. */
const OF_ALL = ["/sidecars"];

/** The whole page. */
export function App() {
  const { path } = place.value;
  const View = PAGES[path] ?? NowhereView;
  useEffect(() => {
    document.addEventListener("click", followLinks);
    document.addEventListener("keydown", onKey);
    return token.subscribe(() => void readCaller());
  }, []);
  useTitle(path, callerKnown.value);
  return (
    <>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <Menu path={path} />
      <main id="content" tabIndex={-1}>
        {callerKnown.value ? <Guarded key={path} View={View} /> : <Empty loading>…</Empty>}
      </main>
      {tokenWanted.value && <SignIn />}
      {helpShown.value && <Help />}
    </>
  );
}

/** A view that cannot be drawn says so; the menu stays of use. */
function Guarded({ View }: { View: ComponentType }) {
  const [fault, again] = useErrorBoundary() as [unknown, () => void];
  if (fault === undefined) return <View />;
  const error = new ApiError("the view cannot be drawn", fault instanceof Error ? fault.message : "", "");
  return (
    <>
      <h1 tabIndex={-1}>Something is wrong here</h1>
      <Fault error={error} retry={again} />
    </>
  );
}

/** Another view is another page: its title is told, the focus is at its head, and it is shown from its top. */
function useTitle(path: string, shown: boolean): void {
  const before = useRef(path);
  useEffect(() => {
    const heading = document.querySelector<HTMLElement>("h1");
    document.title = `${heading?.textContent || "Console"} · Holdfast`;
    if (before.current !== path) {
      heading?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    before.current = path;
  }, [path, shown]);
}

function Menu({ path }: { path: string }) {
  const who = caller.value?.credential;
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    // On a phone the menu is one line that scrolls.
    const present = list.current?.querySelector<HTMLElement>("[aria-current]");
    if (present && list.current) list.current.scrollLeft = present.offsetLeft - list.current.offsetLeft - 40;
  }, [path]);
  return (
    <nav class="menu" aria-label="Views">
      <a class="brand" href="/">
        <img src="/favicon.svg" alt="" width="24" height="24" /> Holdfast
      </a>
      <ul ref={list}>
        {VIEWS.filter(([href]) => !onlyAccount() || !OF_ALL.includes(href)).map(([href, name]) => (
          <li key={href}>
            <a href={href} aria-current={isWithin(path, href) ? "page" : undefined}>
              {name}
            </a>
          </li>
        ))}
      </ul>
      <div class="menu-foot">
        <button type="button" class="quiet" onClick={askForToken}>
          {who ? who.credentialId : token.value ? "Signed in" : "Sign in"}
        </button>
        <button type="button" class="quiet" onClick={toggleTheme}>
          {theme.value === "dark" ? "Light theme" : "Dark theme"}
        </button>
        <button
          type="button"
          class="quiet of-keys"
          onClick={() => {
            helpShown.value = true;
          }}
        >
          Shortcuts
        </button>
        <p class="zone">Times in {ownTimeZone()}</p>
      </div>
    </nav>
  );
}

function isWithin(path: string, href: string): boolean {
  return path === href || (href === "/accounts" && path === "/account");
}
