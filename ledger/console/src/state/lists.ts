/** Lists inside one setting of the URL. */

/** Packs texts, whatever is in them; empty for no text. */
export function pack(items: string[]): string {
  return items.map(encodeURIComponent).join(",");
}

/** What `pack` packed. A broken escape, typed by hand, counts as it stands. */
export function unpack(text: string): string[] {
  if (!text) return [];
  return text.split(",").map((item) => {
    try {
      return decodeURIComponent(item);
    } catch {
      return item;
    }
  });
}

/** A list with an item put in, or taken out if it was there. */
export function toggled(items: string[], item: string): string[] {
  return items.includes(item) ? items.filter((other) => other !== item) : [...items, item];
}
