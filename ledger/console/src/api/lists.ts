/** The lists of the contract as page readers. */
import { AccessService } from "../contract/holdfast/v1/access_service_pb";
import { BooksService } from "../contract/holdfast/v1/books_service_pb";
import { GovernanceService } from "../contract/holdfast/v1/governance_service_pb";
import { type LeaseInfo, LedgerService } from "../contract/holdfast/v1/ledger_service_pb";
import { MeteringService } from "../contract/holdfast/v1/metering_service_pb";
import { type QueryUsageRequest, UsageService } from "../contract/holdfast/v1/usage_service_pb";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { QueryUsageRequestSchema } from "../contract/holdfast/v1/usage_service_pb";
import { call } from "./client";
import type { Page, PageReader } from "./pages";

const PAGE_SIZE = 200;
/** The largest page: for files and for what is summed. */
const WHOLE_SIZE = 1000;

type Reader<T> = (pageToken: string, signal?: AbortSignal) => Promise<Page<T>>;

function page<T>(items: T[], next: string): Page<T> {
  return { items, next };
}

/** Accounts, in the order of creation. */
export const accounts: Reader<import("../contract/holdfast/v1/ledger_service_pb").Account> = async (
  pageToken,
  signal,
) => {
  const answer = await call(LedgerService.method.listAccounts, { pageSize: WHOLE_SIZE, pageToken }, signal);
  return page(answer.accounts, answer.nextPageToken);
};

/** Pools of an account with their balances. */
export function pools(accountId: string) {
  return async (pageToken: string, signal?: AbortSignal) => {
    const answer = await call(LedgerService.method.listPools, { accountId, pageSize: WHOLE_SIZE, pageToken }, signal);
    return page(answer.pools, answer.nextPageToken);
  };
}

/** Grants of a pool in the order in which they burn. */
export function grants(accountId: string, poolId: string) {
  return async (pageToken: string, signal?: AbortSignal) => {
    const request = { accountId, poolId, pageSize: PAGE_SIZE, pageToken };
    const answer = await call(LedgerService.method.listGrants, request, signal);
    return page(answer.grants, answer.nextPageToken);
  };
}

/** The journal of a pool, the latest entry first; with an operation, what it wrote. */
export function entries(accountId: string, poolId: string, operationId: string) {
  return async (pageToken: string, signal?: AbortSignal) => {
    const request = { accountId, poolId, operationId, newestFirst: true, pageSize: PAGE_SIZE, pageToken };
    const answer = await call(LedgerService.method.listEntries, request, signal);
    return page(answer.entries, answer.nextPageToken);
  };
}

/** An entry of a pool by its id; undefined if there is none. */
export async function oneEntry(accountId: string, poolId: string, entryId: bigint, signal?: AbortSignal) {
  const answer = await call(LedgerService.method.listEntries, { accountId, poolId, entryId }, signal);
  return answer.entries[0];
}

/** What corrections gave back in an account. */
export function corrections(accountId: string) {
  return async (pageToken: string, signal?: AbortSignal) => {
    const request = { accountId, pageSize: PAGE_SIZE, pageToken };
    const answer = await call(LedgerService.method.listCorrections, request, signal);
    return page(answer.corrections, answer.nextPageToken);
  };
}

/** Every sidecar that ever said Hello. */
export async function sidecars(pageToken: string, signal?: AbortSignal) {
  const answer = await call(LedgerService.method.listSidecars, { pageSize: WHOLE_SIZE, pageToken }, signal);
  return page(answer.sidecars, answer.nextPageToken);
}

/** Leases of an account, of a pool of it, or of a sidecar. */
export function leases(of: { accountId?: string; poolId?: string; sidecarId?: string }): PageReader<LeaseInfo> {
  return async (pageToken, signal) => {
    const answer = await call(LedgerService.method.listLeases, { ...of, pageSize: WHOLE_SIZE, pageToken }, signal);
    return page(answer.leases, answer.nextPageToken);
  };
}

/** Budgets of an account with what is used of them. */
export function budgets(accountId: string) {
  return async (pageToken: string, signal?: AbortSignal) => {
    const request = { accountId, pageSize: WHOLE_SIZE, pageToken };
    const answer = await call(GovernanceService.method.listBudgets, request, signal);
    return page(answer.budgets, answer.nextPageToken);
  };
}

/** Rate limits of an account. */
export function rateLimits(accountId: string) {
  return async (pageToken: string, signal?: AbortSignal) => {
    const request = { accountId, pageSize: WHOLE_SIZE, pageToken };
    const answer = await call(GovernanceService.method.listRateLimits, request, signal);
    return page(answer.rateLimits, answer.nextPageToken);
  };
}

/** Concurrency limits of an account. */
export function concurrencyLimits(accountId: string) {
  return async (pageToken: string, signal?: AbortSignal) => {
    const request = { accountId, pageSize: WHOLE_SIZE, pageToken };
    const answer = await call(GovernanceService.method.listConcurrencyLimits, request, signal);
    return page(answer.concurrencyLimits, answer.nextPageToken);
  };
}

/** Meters by id. */
export async function meters(pageToken: string, signal?: AbortSignal) {
  const answer = await call(MeteringService.method.listMeters, { pageSize: WHOLE_SIZE, pageToken }, signal);
  return page(answer.meters, answer.nextPageToken);
}

/** What has delivered events. */
export async function ingestSources(pageToken: string, signal?: AbortSignal) {
  const answer = await call(MeteringService.method.listIngestSources, { pageSize: WHOLE_SIZE, pageToken }, signal);
  return page(answer.sources, answer.nextPageToken);
}

/** Events that could not be counted, newest first. */
export function refusedEvents(accountId: string) {
  return async (pageToken: string, signal?: AbortSignal) => {
    const request = { accountId, pageSize: PAGE_SIZE, pageToken };
    const answer = await call(MeteringService.method.listRefusedEvents, request, signal);
    return page(answer.events, answer.nextPageToken);
  };
}

/** Changes that were asked for, newest first. */
export function auditRecords(accountId: string) {
  return async (pageToken: string, signal?: AbortSignal) => {
    const request = { accountId, pageSize: PAGE_SIZE, pageToken };
    const answer = await call(AccessService.method.listAuditRecords, request, signal);
    return page(answer.records, answer.nextPageToken);
  };
}

/** Closed months, latest first. */
export async function periods(pageToken: string, signal?: AbortSignal) {
  const answer = await call(BooksService.method.listPeriods, { pageSize: PAGE_SIZE, pageToken }, signal);
  return page(answer.periods, answer.nextPageToken);
}

/** What is behind a figure, newest first. */
export function traces(traceToken: string) {
  return async (pageToken: string, signal?: AbortSignal) => {
    const request = { traceToken, pageSize: PAGE_SIZE, pageToken };
    const answer = await call(UsageService.method.traceUsage, request, signal);
    return page(answer.traces, answer.nextPageToken);
  };
}

/** Figures; each page also has what holds for all of them. */
export async function usage(request: UsageQuestion, pageToken = "", signal?: AbortSignal) {
  return call(UsageService.method.queryUsage, { ...request, pageSize: 10_000, pageToken }, signal);
}

/** A question for figures. */
export type UsageQuestion = Omit<
  MessageInitShape<typeof QueryUsageRequestSchema>,
  keyof Pick<QueryUsageRequest, "$typeName">
>;

/** Reads all pages of figures: the last page has the token of none, the first one the totals. */
export async function allUsage(request: UsageQuestion, signal?: AbortSignal, limit = 100_000) {
  const first = await usage(request, "", signal);
  let token = first.nextPageToken;
  while (token && first.cells.length < limit) {
    const next = await usage(request, token, signal);
    first.cells.push(...next.cells);
    token = next.nextPageToken;
  }
  return first;
}

/** Keys to group by, or the values of one. */
export async function usageKeys(
  of: { accountId: string; start: number; end: number; key?: string; pageSize?: number },
  signal?: AbortSignal,
): Promise<string[]> {
  const answer = await call(
    UsageService.method.listUsageKeys,
    {
      accountId: of.accountId,
      startUnixMs: BigInt(of.start),
      endUnixMs: BigInt(of.end),
      key: of.key ?? "",
      pageSize: of.pageSize ?? 100,
    },
    signal,
  );
  return answer.names;
}
