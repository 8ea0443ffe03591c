/** The usage explorer: any dimensions, any window, compared, zoomed, and traced to what is behind each figure. */
import { AccountField } from "../parts/account-field";
import { Empty, Fault, Head, Section } from "../parts/basics";
import { RangeBar } from "../parts/range-bar";
import { formatTime } from "../format/time";
import { useLoad } from "../state/load";
import { place } from "../state/place";
import { Asked, Dimensions, Filters } from "./usage/controls";
import { ask, readSettings } from "./usage/question";
import { Breakdown, Cells, Drawn, Totals } from "./usage/results";
import { Trace } from "./usage/trace";

/** What of the URL changes the figures; hiding a group or tracing a cell does not. */
function questionKey(rangeKey: string): string {
  const query = new URLSearchParams(place.value.query);
  for (const name of ["hide", "trace", "last", "from", "to"]) query.delete(name);
  return `usage ${rangeKey} ${query.toString()}`;
}

/** The view. */
export function UsageView() {
  const settings = readSettings();
  const loaded = useLoad(questionKey(settings.range.key), (signal) => ask(settings, signal));
  const answer = loaded.data;
  const shown = answer && { settings, loaded, answer };
  const { zone } = settings.range;
  return (
    <>
      <Head
        title="Usage"
        about={answer && `Postings up to ${formatTime(answer.completeUntil, zone)} are in the figures.`}
      />
      <div class="card controls">
        <div class="bar">
          <AccountField />
          <Asked settings={settings} units={answer?.units ?? []} chosenUnit={answer?.chosenUnit ?? ""} />
        </div>
        <RangeBar window={settings.range} />
        <Dimensions settings={settings} />
        <Filters settings={settings} />
      </div>
      <Fault error={loaded.error} retry={loaded.reload} />
      {!shown && !loaded.error && <Empty loading>…</Empty>}
      {shown && (
        <div aria-busy={loaded.loading} class={loaded.loading ? "stale" : ""}>
          <Totals {...shown} />
          <Section
            title={settings.by.length ? `${settings.measure.text} by ${settings.by.join(", ")}` : settings.measure.text}
          >
            <Drawn {...shown} />
          </Section>
          <Section title="Breakdown">
            <Breakdown {...shown} />
            <Cells {...shown} />
          </Section>
          {settings.trace && <Trace token={settings.trace} exponent={answer.exponent} unit={answer.unit} zone={zone} />}
        </div>
      )}
    </>
  );
}
