/** Small pieces that every view is made of. */
import type { ComponentChildren } from "preact";
import type { ApiError } from "../api/client";
import { changePercent, fraction, formatAmount } from "../format/amount";

/** The head of a view: what it is, and what can be done. */
export function Head(props: { title: string; about?: string | undefined; children?: ComponentChildren }) {
  return (
    <header class="head">
      <div>
        <h1 tabIndex={-1}>{props.title}</h1>
        {props.about && <p class="about">{props.about}</p>}
      </div>
      {props.children && <div class="actions">{props.children}</div>}
    </header>
  );
}

/** A part of a view with a heading of its own. */
export function Section(props: {
  title: string;
  note?: string;
  children: ComponentChildren;
  actions?: ComponentChildren;
}) {
  return (
    <section class="card">
      <div class="card-head">
        <h2>{props.title}</h2>
        {props.actions}
      </div>
      {props.note && <p class="note">{props.note}</p>}
      {props.children}
    </section>
  );
}

/** One figure with its name; `full` is told on hover where `value` is rounded. */
export function Figure(props: { name: string; value: string; note?: ComponentChildren; full?: string; tone?: Tone }) {
  return (
    <div class="figure" data-tone={props.tone}>
      <dt>{props.name}</dt>
      <dd>
        <span class="value" title={props.full}>
          {props.value}
        </span>
        {props.note && <span class="note">{props.note}</span>}
      </dd>
    </div>
  );
}

/** Whether something is as it should be; always beside a word that says it. */
export type Tone = "good" | "warn" | "bad" | "plain";

/** A word in a coloured frame. */
export function Badge(props: { tone?: Tone; children: ComponentChildren }) {
  return (
    <span class="badge" data-tone={props.tone ?? "plain"}>
      {props.children}
    </span>
  );
}

/** An amount in full. */
export function Amount(props: { value: bigint; exponent: number; unit?: string }) {
  return (
    <span class="amount">
      {formatAmount(props.value, props.exponent)}
      {props.unit && <span class="unit"> {props.unit}</span>}
    </span>
  );
}

/** How an amount has changed. */
export function Change(props: { now: bigint; before: bigint }) {
  const text = changePercent(props.now, props.before);
  return text ? <span class="change">{text}</span> : <span class="change">new</span>;
}

/** A gauge: used of a limit, with what is held of the rest. */
export function Gauge(props: { label: string; used: bigint; held?: bigint; limit: bigint; text: string; tone?: Tone }) {
  const used = fraction(props.used, props.limit);
  const held = fraction(props.used + (props.held ?? 0n), props.limit) - used;
  const level = props.tone ?? (props.used >= props.limit ? "bad" : used >= 0.8 ? "warn" : "good");
  return (
    <div
      class="gauge"
      role="meter"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(used * 100)}
      aria-valuetext={props.text}
    >
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="100" height="6" />
        <rect class="held" x={used * 100} width={held * 100} height="6" />
        <rect class="used" data-tone={level} width={used * 100} height="6" />
      </svg>
      <span class="gauge-text">{props.text}</span>
    </div>
  );
}

/** What went wrong, in the ledger's own words. */
export function Fault(props: { error: ApiError | undefined; retry?: () => void }) {
  if (!props.error) return null;
  const { code, message, reason } = props.error;
  return (
    <div class="fault" role="alert">
      <p>
        <strong>{reason || code}</strong> {message}
      </p>
      {props.retry && (
        <button type="button" onClick={props.retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Stands where something is to be. */
export function Empty(props: { loading: boolean; children: ComponentChildren }) {
  return (
    <p class="empty" aria-live="polite">
      {props.loading ? "Loading…" : props.children}
    </p>
  );
}

/** The name of an enum's member without the part that all have: "GRANT_STATE_ACTIVE" is "active". */
export function word(name: string | undefined): string {
  return (name ?? "unknown").toLowerCase().replaceAll("_", " ");
}
