/** A table whose every column can be downloaded. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError } from "../api/client";
import { csvText, download } from "../format/csv";
import type { Loaded, Paged } from "../state/load";
import { Empty, Fault } from "./basics";

/** A column: what is shown, and what stands in the file. */
export interface Column<T> {
  name: string;
  text: (row: T) => string;
  show?: (row: T) => ComponentChildren;
  number?: boolean;
  /** Only in the file. */
  fileOnly?: boolean;
  /** Only on the screen: buttons. */
  screenOnly?: boolean;
}

interface Props<T> {
  /** What the table lists; names it for screen readers, and its file. */
  name: string;
  columns: Column<T>[];
  loaded: Loaded<T[]> | Paged<T>;
  rowKey: (row: T) => string;
  /** Reads all rows for the file; what is shown if unset, which then has to be all. */
  readAll?: () => Promise<T[]>;
  empty: string;
}

/** So many rows are drawn at once: a browser is slow with more. */
const DRAWN_ROWS = 500;

/** Shows rows, more of them on demand, and gives all of them as CSV. */
export function Table<T>(props: Props<T>) {
  const { loaded } = props;
  const [limit, setLimit] = useState(DRAWN_ROWS);
  const rows = loaded.data ?? [];
  const hasMore = rows.length > limit || ("hasMore" in loaded && loaded.hasMore);
  const more = (): void => {
    setLimit(limit + DRAWN_ROWS);
    if (rows.length <= limit + DRAWN_ROWS && "hasMore" in loaded && loaded.hasMore) loaded.more();
  };
  return (
    <div class="table" aria-busy={loaded.loading}>
      <Fault error={loaded.error} retry={loaded.reload} />
      {rows.length === 0 ? (
        !loaded.error && <Empty loading={loaded.loading}>{props.empty}</Empty>
      ) : (
        <Rows {...props} rows={rows.length > limit ? rows.slice(0, limit) : rows} />
      )}
      {rows.length > 0 && (
        <div class="table-foot">
          <span>
            {rows.length > limit && `${limit.toLocaleString("en")} of `}
            {rows.length.toLocaleString("en")} {rows.length === 1 ? "row" : "rows"}
            {"hasMore" in loaded && loaded.hasMore && " so far"}
          </span>
          {hasMore && (
            <button type="button" onClick={more} disabled={loaded.loading}>
              Show more
            </button>
          )}
          <CsvButton {...props} rows={rows} />
        </div>
      )}
    </div>
  );
}

function Rows<T>({ name, columns, rows, rowKey }: Props<T> & { rows: T[] }) {
  const shown = columns.filter((column) => !column.fileOnly);
  return (
    <div class="scroll" role="region" aria-label={name} tabIndex={0}>
      <table>
        <caption class="hidden">{name}</caption>
        <thead>
          <tr>
            {shown.map((column) => (
              <th key={column.name} scope="col" class={column.number ? "number" : ""}>
                {column.screenOnly ? <span class="hidden">{column.name}</span> : column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)}>
              {shown.map((column) => (
                <td key={column.name} class={column.number ? "number" : ""}>
                  {column.show ? column.show(row) : column.text(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function CsvButton<T>({ name, columns, rows, readAll }: Props<T> & { rows: T[] }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const save = async (): Promise<void> => {
    setBusy(true);
    try {
      const all = readAll ? await readAll() : rows;
      const filed = columns.filter((column) => !column.screenOnly);
      const lines = all.map((row) => filed.map((column) => column.text(row)));
      download(
        fileName(name),
        csvText(
          filed.map((column) => column.name),
          lines,
        ),
        "text/csv;charset=utf-8",
      );
      setError(undefined);
    } catch (fault) {
      setError(fault instanceof ApiError ? fault : new ApiError("internal", String(fault), ""));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button
        type="button"
        class="csv"
        onClick={() => void save()}
        disabled={busy}
        aria-label={`Download ${name} as CSV`}
      >
        {busy ? "Reading…" : "CSV"}
      </button>
      <Fault error={error} />
    </>
  );
}

function fileName(name: string): string {
  return `${name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "")}.csv`;
}
