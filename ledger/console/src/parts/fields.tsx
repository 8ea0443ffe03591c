/** Form fields, each with its label and, where needed, a hint. */
import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";

interface FieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  hint?: string;
}

function Labelled(props: { id: string; label: string; hint?: string | undefined; children: ComponentChildren }) {
  return (
    <div class="field">
      <label for={props.id}>{props.label}</label>
      {props.children}
      {props.hint && <small id={`${props.id}-hint`}>{props.hint}</small>}
    </div>
  );
}

interface TextProps extends FieldProps {
  type?: "text" | "date" | "password" | "month" | "search";
  /** What the browser offers. */
  offers?: string[];
  placeholder?: string;
  /** Told at each key: in dialogs, which load nothing. */
  live?: boolean;
}

/** A line of text; told when it is left or Enter is pressed, so that no view is loaded at each key. */
export function Text({ label, value, onChange, hint, type = "text", offers, placeholder, live = false }: TextProps) {
  const id = useId();
  // What is being typed, which no new rendering may take away.
  const [draft, setDraft] = useState<string>();
  return (
    <Labelled id={id} label={label} hint={hint}>
      <input
        {...({ type } as { type: "text" })}
        id={id}
        value={draft ?? value}
        autocomplete="off"
        spellcheck={false}
        aria-describedby={hint ? `${id}-hint` : undefined}
        list={offers ? `${id}-offers` : undefined}
        placeholder={placeholder}
        onInput={(event) => {
          setDraft(event.currentTarget.value);
          if (live) onChange(event.currentTarget.value);
        }}
        onChange={(event) => {
          setDraft(undefined);
          onChange(event.currentTarget.value);
        }}
      />
      {offers && (
        <datalist id={`${id}-offers`}>
          {offers.map((offer) => (
            <option key={offer} value={offer} />
          ))}
        </datalist>
      )}
    </Labelled>
  );
}

/** One of a few. */
export function Choice({ label, value, onChange, hint, options }: FieldProps & { options: [string, string][] }) {
  const id = useId();
  return (
    <Labelled id={id} label={label} hint={hint}>
      <select
        id={id}
        value={value}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onChange={(event) => {
          onChange(event.currentTarget.value);
        }}
      >
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </Labelled>
  );
}

/** Yes or no. */
export function Check(props: { label: string; value: boolean; onChange: (value: boolean) => void }) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={props.value}
        onChange={(event) => {
          props.onChange(event.currentTarget.checked);
        }}
      />
      {props.label}
    </label>
  );
}

/** A row of buttons of which one is pressed. */
export function Segments(props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  options: [string, string][];
}) {
  return (
    <div class="segments" role="group" aria-label={props.label}>
      {props.options.map(([key, text]) => (
        <button
          key={key}
          type="button"
          aria-pressed={key === props.value}
          onClick={() => {
            props.onChange(key);
          }}
        >
          {text}
        </button>
      ))}
    </div>
  );
}
