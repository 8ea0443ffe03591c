/** What views show is loaded by these hooks: again when their inputs change, when something was changed, or by time. */
import { signal } from "@preact/signals";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/client";
import type { Page, PageReader } from "../api/pages";
import { token } from "./token";

/** Grows with each change that was made here, so that all that is shown is read again. */
export const changeCount = signal(0);

/** What was loaded, what is wrong, and whether something is on its way. */
export interface Loaded<T> {
  data: T | undefined;
  error: ApiError | undefined;
  loading: boolean;
  reload: () => void;
}

function asFault(fault: unknown): ApiError {
  return fault instanceof ApiError ? fault : new ApiError("internal", String(fault), "");
}

interface Held<T> {
  data?: T;
  error?: ApiError;
  loading: boolean;
  /** What is loaded, or on its way. */
  key: string;
  /** What `data` is of, and who asked for it. */
  dataOf: string;
}

/**
 * Loads by `read`, again when `key` changes or, with `everyMs`, after that time. Old data stays until new is there;
 * but beside a fault stands nothing that was asked for otherwise, or by somebody else.
 */
export function useLoad<T>(key: string, read: (signal: AbortSignal) => Promise<T>, everyMs = 0): Loaded<T> {
  const [state, setState] = useState<Held<T>>({ loading: true, key: "", dataOf: "" });
  const [round, setRound] = useState(0);
  const reader = useRef(read);
  reader.current = read;
  const of = `${key} ${token.value}`;
  const full = `${of} ${changeCount.value}`;
  useEffect(() => {
    const abort = new AbortController();
    setState((before) => ({ ...before, loading: true, key: full }));
    reader.current(abort.signal).then(
      (data) => {
        if (!abort.signal.aborted) setState({ data, loading: false, key: full, dataOf: of });
      },
      (fault: unknown) => {
        if (abort.signal.aborted) return;
        const failed = { error: asFault(fault), loading: false, key: full, dataOf: of };
        setState((before) => (before.dataOf === of ? { ...before, ...failed } : failed));
      },
    );
    return () => {
      abort.abort();
    };
  }, [full, of, round]);
  useEffect(() => {
    if (!everyMs) return undefined;
    const timer = setTimeout(() => {
      if (!state.loading) setRound((count) => count + 1);
    }, everyMs);
    return () => {
      clearTimeout(timer);
    };
  }, [everyMs, state]);
  const reload = useCallback(() => {
    setRound((count) => count + 1);
  }, []);
  return { data: state.data, error: state.error, loading: state.loading || state.key !== full, reload };
}

/** A list that grows page by page. */
export interface Paged<T> extends Loaded<T[]> {
  hasMore: boolean;
  more: () => void;
}

/** Loads a list's first page, and the next ones when `more` is called. */
export function usePaged<T>(key: string, read: PageReader<T>): Paged<T> {
  const first = useLoad(key, (signal) => read("", signal));
  const [later, setLater] = useState<{ after: Page<T> | undefined; items: T[]; next: string }>();
  const [failed, setFailed] = useState<{ after: Page<T> | undefined; error: ApiError }>();
  const [busy, setBusy] = useState(false);
  const reader = useRef(read);
  reader.current = read;
  // Pages that follow another first page than the one shown are of no use.
  const rest =
    later && later.after === first.data ? later : { after: first.data, items: [], next: first.data?.next ?? "" };
  const more = (): void => {
    setBusy(true);
    reader
      .current(rest.next)
      .then((page) => {
        setLater({ after: rest.after, items: [...rest.items, ...page.items], next: page.next });
        setFailed(undefined);
      })
      .catch((fault: unknown) => {
        setFailed({ after: rest.after, error: asFault(fault) });
      })
      .finally(() => {
        setBusy(false);
      });
  };
  return {
    ...first,
    data: first.data && [...first.data.items, ...rest.items],
    error: first.error ?? (failed && failed.after === first.data ? failed.error : undefined),
    loading: first.loading || busy,
    hasMore: rest.next !== "",
    more,
  };
}
