/** Chooses the window of a view. */
import { formatDate } from "../format/time";
import { change, setting } from "../state/place";
import { LAST, type Range, spanSettings, STEPS } from "../state/range";
import { Choice, Segments, Text } from "./fields";

/** Last days, or dates; moves the window; lengths of steps. */
export function RangeBar({
  window,
  otherwise = "7d",
  steps = true,
}: {
  window: Range;
  otherwise?: string;
  steps?: boolean;
}) {
  const { start, end, zone } = window;
  const isOwn = setting("from") !== "" && setting("to") !== "";
  const move = (sign: number): void => {
    const span = end - start;
    change(spanSettings(start + sign * span, end + sign * span, zone));
  };
  const setDates = (from: string, to: string): void => {
    if (from && to) change({ from, to, last: null, step: null, trace: null });
  };
  const from = formatDate(start, zone);
  const to = formatDate(end - 1, zone);
  return (
    <div class="bar" role="group" aria-label="Window">
      <Segments
        label="Last"
        value={isOwn ? "" : setting("last", otherwise)}
        options={LAST}
        onChange={(last) => {
          change({ last, from: null, to: null, step: null, trace: null });
        }}
      />
      <Text
        label="From"
        type="date"
        value={from}
        onChange={(value) => {
          setDates(value, value > to ? value : to);
        }}
      />
      <Text
        label="To"
        type="date"
        value={to}
        onChange={(value) => {
          setDates(value < from ? value : from, value);
        }}
      />
      <div class="pair">
        <button
          type="button"
          aria-label="Window before"
          onClick={() => {
            move(-1);
          }}
        >
          ←
        </button>
        <button
          type="button"
          aria-label="Window after"
          onClick={() => {
            move(1);
          }}
        >
          →
        </button>
      </div>
      {steps && (
        <Choice
          label="Step"
          value={STEPS.find(([, granularity]) => granularity === window.granularity)?.[0] ?? "day"}
          onChange={(step) => {
            change({ step });
          }}
          options={STEPS.map(([name]) => [name, name])}
        />
      )}
      <Choice
        label="Time zone"
        value={zone}
        onChange={(value) => {
          change({ zone: value });
        }}
        options={zones(zone)}
      />
    </div>
  );
}

function zones(present: string): [string, string][] {
  const known = ["UTC", ...Intl.supportedValuesOf("timeZone").filter((name) => name !== "UTC")];
  return (known.includes(present) ? known : [present, ...known]).map((name) => [name, name]);
}
