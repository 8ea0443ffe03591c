/** Dialogs: the browser's own, which keep the focus inside and give it back. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/client";
import { changeCount } from "../state/load";
import { Fault } from "./basics";

/** A modal dialog that is open as long as it is rendered. */
export function Dialog(props: { title: string; onClose: () => void; busy?: boolean; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    dialog.current?.querySelector<HTMLElement>("form input, form select")?.focus();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onClose={props.onClose}
      onCancel={(event) => {
        // What is under way has an answer that somebody has to see.
        if (props.busy) event.preventDefault();
      }}
    >
      <div class="dialog-head">
        <h2 id={id}>{props.title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick={props.onClose} disabled={props.busy}>
          ✕
        </button>
      </div>
      {props.children}
    </dialog>
  );
}

interface ActionProps {
  title: string;
  /** What the last button says, such as "Grant". */
  verb: string;
  danger?: boolean;
  /** The fields. */
  children?: ComponentChildren;
  /** What is going to happen, in pairs; a string: what is wrong with the fields. */
  summary: () => [string, string][] | string;
  /** Does it; raises `ApiError`. */
  perform: () => Promise<unknown>;
  onClose: () => void;
}

/** Changes something in two steps: fields, then what is about to happen, in words. */
export function Action(props: ActionProps) {
  const [pairs, setPairs] = useState<[string, string][]>();
  const [error, setError] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  const review = (): void => {
    const summary = props.summary();
    if (typeof summary === "string") {
      setError(new ApiError("check", summary, "Check the fields."));
      return;
    }
    setError(undefined);
    setPairs(summary);
  };
  const perform = async (): Promise<void> => {
    setBusy(true);
    try {
      await props.perform();
      changeCount.value += 1;
      props.onClose();
    } catch (fault) {
      setError(fault instanceof ApiError ? fault : new ApiError("internal", String(fault), ""));
      setBusy(false);
    }
  };
  return (
    <Dialog title={props.title} onClose={props.onClose} busy={busy}>
      {pairs ? (
        <Review
          {...props}
          pairs={pairs}
          busy={busy}
          error={error}
          onPerform={() => void perform()}
          onBack={() => {
            setPairs(undefined);
            setError(undefined);
          }}
        />
      ) : (
        <form
          class="form"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            review();
          }}
        >
          {props.children}
          <Fault error={error} />
          <div class="dialog-foot">
            <button type="button" onClick={props.onClose}>
              Cancel
            </button>
            <button type="submit" class="primary">
              Review
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

interface ReviewProps extends ActionProps {
  pairs: [string, string][];
  busy: boolean;
  error: ApiError | undefined;
  onPerform: () => void;
  onBack: () => void;
}

function Review(props: ReviewProps) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    button.current?.focus();
  }, []);
  return (
    <div class="form">
      <p>This is about to happen. It is recorded in the audit trail.</p>
      <dl class="pairs">
        {props.pairs.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Fault error={props.error} />
      <div class="dialog-foot">
        <button type="button" onClick={props.onBack} disabled={props.busy}>
          Back
        </button>
        <button
          type="button"
          ref={button}
          class={props.danger ? "danger" : "primary"}
          onClick={props.onPerform}
          disabled={props.busy}
        >
          {props.verb}
        </button>
      </div>
    </div>
  );
}
