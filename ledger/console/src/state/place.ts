/** The view and its settings are the URL and nothing else, so that every view can be sent to somebody. */
import { signal } from "@preact/signals";

interface Place {
  path: string;
  query: URLSearchParams;
}

function here(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

/** Where we are. */
export const place = signal(here());

addEventListener("popstate", () => {
  place.value = here();
});

/** Goes to a path of the console. */
export function go(href: string, options: { replace?: boolean } = {}): void {
  if (href === location.pathname + location.search) return;
  if (options.replace) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  place.value = here();
}

/** The present view with some settings changed; null or empty removes one. */
export function changed(changes: Record<string, string | null>): string {
  const query = new URLSearchParams(place.value.query);
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  return href(place.value.path, query);
}

/** Changes settings of the present view; each change is a step of the history. */
export function change(changes: Record<string, string | null>): void {
  go(changed(changes));
}

/** A setting of the present view. */
export function setting(name: string, otherwise = ""): string {
  return place.value.query.get(name) ?? otherwise;
}

/** A link to a view. */
export function link(path: string, settings: Record<string, string>): string {
  return href(path, new URLSearchParams(Object.entries(settings).filter(([, value]) => value)));
}

function href(path: string, query: URLSearchParams): string {
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Lets plain links change the view without loading the page; the browser keeps all that have a modifier. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const anchor = event.target instanceof Element ? event.target.closest("a") : null;
  if (!anchor || anchor.origin !== location.origin || anchor.hasAttribute("download") || anchor.target) return;
  if (anchor.hash && anchor.pathname === location.pathname) return;
  event.preventDefault();
  go(anchor.pathname + anchor.search);
}
