/** Lists, page by page. */

/** A page of a list, whatever it lists. */
export interface Page<T> {
  items: T[];
  next: string;
}

/** Reads one page; an empty token is the first one. */
export type PageReader<T> = (token: string, signal?: AbortSignal) => Promise<Page<T>>;

/** Reads pages until the last one, or until there are `limit` items. */
export async function readAll<T>(read: PageReader<T>, limit = 100_000, signal?: AbortSignal): Promise<T[]> {
  const items: T[] = [];
  let token = "";
  do {
    const page = await read(token, signal);
    items.push(...page.items);
    token = page.next;
  } while (token && items.length < limit);
  return items;
}

/** Maps with at most `width` calls under way; the results are in the order of the items. */
export async function mapLimited<T, R>(items: T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array<R>(items.length);
  let next = 0;
  async function worker(): Promise<void> {
    while (next < items.length) {
      const index = next++;
      const item = items[index];
      if (item !== undefined) results[index] = await work(item);
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results;
}
