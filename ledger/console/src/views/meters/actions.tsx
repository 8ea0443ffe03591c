/** What can be changed of meters: made, changed as far as their figures allow, retired. */
import { create } from "@bufbuild/protobuf";
import { useState } from "preact/hooks";
import { call } from "../../api/client";
import { Aggregation, type Meter, MeterPeriod, MeterSchema } from "../../contract/holdfast/v1/meter_pb";
import { MeteringService } from "../../contract/holdfast/v1/metering_service_pb";
import { FilterOperator, type UsageFilter, UsageFilterSchema } from "../../contract/holdfast/v1/usage_service_pb";
import { word } from "../../parts/basics";
import { Action } from "../../parts/dialog";
import { Choice, Text } from "../../parts/fields";
import { options, useForm } from "../../parts/forms";

const AGGREGATIONS = [
  Aggregation.COUNT,
  Aggregation.SUM,
  Aggregation.MIN,
  Aggregation.MAX,
  Aggregation.UNIQUE,
  Aggregation.LATEST,
];
const PERIODS = [MeterPeriod.HOUR, MeterPeriod.DAY, MeterPeriod.WEEK, MeterPeriod.MONTH];
const ADDITIVE: string[] = ["COUNT", "SUM"];

/** A condition in words. */
export function tellFilter({ key, operator, values }: UsageFilter): string {
  return `${key} ${word(FilterOperator[operator])} ${values.join(", ")}`.trim();
}

/** How figures are made of events. */
export function tellFigure(meter: Pick<Meter, "aggregation" | "quantity" | "dimension" | "period">): string {
  const { aggregation, quantity, dimension, period } = meter;
  const each = period ? ` each ${word(MeterPeriod[period])}` : "";
  return `${word(Aggregation[aggregation])} ${quantity || dimension}`.trim() + each;
}

/** What is charged, in words. */
export function tellPrice(meter: Pick<Meter, "poolId" | "priceAmount" | "pricePer" | "ratedAs">): string {
  if (!meter.poolId) return "not charged";
  if (meter.ratedAs) return `rate card, as ${meter.ratedAs}`;
  return `${meter.priceAmount} minor units for ${meter.pricePer || 1n}`;
}

function whole(text: string): bigint {
  return /^\d{1,18}$/.test(text.trim()) ? BigInt(text.trim()) : -1n;
}

function fieldsOf(meter: Meter | undefined) {
  return {
    id: meter?.meterId ?? "",
    eventType: meter?.eventType ?? "",
    aggregation: Aggregation[meter?.aggregation ?? Aggregation.COUNT],
    quantity: meter?.quantity ?? "",
    dimension: meter?.dimension ?? "",
    period: MeterPeriod[meter?.period || MeterPeriod.MONTH],
    unit: meter?.unit ?? "",
    multiplier: (meter?.multiplier || 1n).toString(),
    divisor: (meter?.divisor || 1n).toString(),
    poolId: meter?.poolId ?? "",
    pricing: meter?.ratedAs ? "card" : "price",
    price: (meter?.priceAmount ?? 0n).toString(),
    per: (meter?.pricePer || 1n).toString(),
    ratedAs: meter?.ratedAs ?? "",
    filters: meter?.filters ?? [],
  };
}

type Fields = ReturnType<typeof fieldsOf>;

/** The meter that a form describes; what its choices leave no meaning is left out. */
function meterOf(form: Fields): Meter {
  const additive = ADDITIVE.includes(form.aggregation);
  const charged = form.poolId.trim() !== "";
  return create(MeterSchema, {
    meterId: form.id.trim(),
    eventType: form.eventType.trim(),
    aggregation: Aggregation[form.aggregation as keyof typeof Aggregation],
    quantity: ["COUNT", "UNIQUE"].includes(form.aggregation) ? "" : form.quantity.trim(),
    dimension: form.aggregation === "UNIQUE" ? form.dimension.trim() : "",
    period: additive ? MeterPeriod.UNSPECIFIED : MeterPeriod[form.period as keyof typeof MeterPeriod],
    filters: form.filters,
    unit: form.unit.trim(),
    multiplier: whole(form.multiplier),
    divisor: whole(form.divisor),
    poolId: form.poolId.trim(),
    priceAmount: charged && form.pricing === "price" ? whole(form.price) : 0n,
    pricePer: charged && form.pricing === "price" ? whole(form.per) : 0n,
    ratedAs: charged && form.pricing === "card" ? form.ratedAs.trim() : "",
  });
}

function check(meter: Meter): string {
  if (!meter.meterId || !meter.eventType) return "A meter has an id, and events of a type.";
  if (meter.multiplier < 1n || meter.divisor < 1n) return "A quantity is converted by whole numbers above 0.";
  return meter.priceAmount < 0n || meter.pricePer < 0n ? "A price is whole minor units for whole units." : "";
}

/** Makes a meter, or changes what may change of one. */
export function MeterAction({ meter, onClose }: { meter?: Meter; onClose: () => void }) {
  const [form, set] = useForm(fieldsOf(meter));
  const next = meterOf(form);
  const conditions = next.filters.map(tellFilter).join("; ");
  return (
    <Action
      title={meter ? `Meter ${meter.meterId}` : "New meter"}
      verb="Set the meter"
      onClose={onClose}
      perform={() => call(MeteringService.method.setMeter, { meter: next })}
      summary={() =>
        check(next) || [
          ["Meter", next.meterId],
          ["Of events", `${next.eventType}${conditions && `, where ${conditions}`}`],
          ["Figure", tellFigure(next)],
          ["Converted", `${next.multiplier} / ${next.divisor} ${next.unit}`.trim()],
          ["Charged", next.poolId ? `${tellPrice(next)}, from the pool ${next.poolId}` : "no"],
          ["Holds for", "events that come in from now on"],
        ]
      }
    >
      {meter ? (
        <p class="note">
          {tellFigure(meter)}
          {meter.poolId ? `, charged to the pool ${meter.poolId}` : ", not charged"}. Its figures are made of this, so
          it stays; for something else make another meter.
        </p>
      ) : (
        <Text live label="Id" value={form.id} onChange={set("id")} placeholder="mails-sent" />
      )}
      <Text live label="Event type" value={form.eventType} onChange={set("eventType")} placeholder="mail.sent" />
      {!meter && <Figures form={form} set={set} />}
      <Conditions filters={form.filters} onChange={set("filters")} />
      <Text live label="Unit" value={form.unit} onChange={set("unit")} hint="for people" />
      <div class="pair">
        <Text live label="Multiplied with" value={form.multiplier} onChange={set("multiplier")} />
        <Text live label="Divided by" value={form.divisor} onChange={set("divisor")} />
      </div>
      {!meter && (
        <Text live label="Pool" value={form.poolId} onChange={set("poolId")} hint="empty: nothing is charged" />
      )}
      {form.poolId.trim() && <Price form={form} set={set} />}
    </Action>
  );
}

interface PartProps {
  form: Fields;
  set: ReturnType<typeof useForm<Fields>>[1];
}

function Figures({ form, set }: PartProps) {
  const additive = ADDITIVE.includes(form.aggregation);
  return (
    <>
      <div class="pair">
        <Choice
          label="Figure"
          value={form.aggregation}
          onChange={set("aggregation")}
          options={options(Aggregation, AGGREGATIONS)}
        />
        {form.aggregation === "UNIQUE" && (
          <Text live label="Of the dimension" value={form.dimension} onChange={set("dimension")} />
        )}
        {!["COUNT", "UNIQUE"].includes(form.aggregation) && (
          <Text live label="Of the quantity" value={form.quantity} onChange={set("quantity")} />
        )}
      </div>
      {!additive && (
        <Choice
          label="Begins anew each"
          value={form.period}
          onChange={set("period")}
          options={options(MeterPeriod, PERIODS)}
        />
      )}
    </>
  );
}

function Price({ form, set }: PartProps) {
  return (
    <>
      <Choice
        label="Priced by"
        value={form.pricing}
        onChange={set("pricing")}
        options={[
          ["price", "a price"],
          ["card", "the account's rate card"],
        ]}
      />
      {form.pricing === "card" ? (
        <Text live label="Meter of the rate card" value={form.ratedAs} onChange={set("ratedAs")} />
      ) : (
        <div class="pair">
          <Text live label="Price, minor units" value={form.price} onChange={set("price")} />
          <Text live label="For so many units" value={form.per} onChange={set("per")} />
        </div>
      )}
    </>
  );
}

const OPERATORS = [FilterOperator.IN, FilterOperator.NOT_IN, FilterOperator.PREFIX, FilterOperator.EXISTS];
const NO_CONDITION = { key: "", operator: FilterOperator[FilterOperator.IN], values: "" };

/** Conditions that events have to pass: each can be taken away, and more put in. */
function Conditions({ filters, onChange }: { filters: UsageFilter[]; onChange: (filters: UsageFilter[]) => void }) {
  const [draft, setDraft] = useState(NO_CONDITION);
  const bare = draft.operator === FilterOperator[FilterOperator.EXISTS];
  const values = draft.values
    .split(",")
    .map((value) => value.trim())
    .filter(Boolean);
  const add = (): void => {
    const operator = FilterOperator[draft.operator as keyof typeof FilterOperator];
    onChange([...filters, create(UsageFilterSchema, { key: draft.key.trim(), operator, values: bare ? [] : values })]);
    setDraft(NO_CONDITION);
  };
  return (
    <fieldset class="conditions">
      <legend>Only events where</legend>
      {filters.map((filter, place) => (
        <button
          key={place}
          type="button"
          class="chip"
          aria-label={`Remove ${tellFilter(filter)}`}
          onClick={() => {
            onChange(filters.filter((_, other) => other !== place));
          }}
        >
          {tellFilter(filter)} ✕
        </button>
      ))}
      <div class="pair">
        <Text
          live
          label="Dimension"
          value={draft.key}
          onChange={(key) => {
            setDraft({ ...draft, key });
          }}
        />
        <Choice
          label="Condition"
          value={draft.operator}
          options={options(FilterOperator, OPERATORS)}
          onChange={(operator) => {
            setDraft({ ...draft, operator });
          }}
        />
      </div>
      <div class="pair">
        {!bare && (
          <Text
            live
            label="Values"
            hint="several with commas"
            value={draft.values}
            onChange={(text) => {
              setDraft({ ...draft, values: text });
            }}
          />
        )}
        <button type="button" class="beside" onClick={add} disabled={!draft.key.trim() || (!bare && !values.length)}>
          Add the condition
        </button>
      </div>
    </fieldset>
  );
}

/** Ends a meter. */
export function RetireAction({ meter, onClose }: { meter: Meter; onClose: () => void }) {
  return (
    <Action
      title={`Retire ${meter.meterId}`}
      verb="Retire the meter"
      danger
      onClose={onClose}
      perform={() => call(MeteringService.method.deleteMeter, { meterId: meter.meterId })}
      summary={() => [
        ["Meter", meter.meterId],
        ["Events from now on", "are counted and charged by it no more"],
        ["What it counted", "stays, with its charges"],
      ]}
    >
      <p>
        {meter.eventType} events are no longer counted by it
        {meter.poolId && `, nor charged to the pool ${meter.poolId}`}. What it counted stays.
      </p>
    </Action>
  );
}
