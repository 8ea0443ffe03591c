/** What the forms of dialogs have in common. */
import { useState } from "preact/hooks";
import { word } from "./basics";

/** The fields of a form, and setters of each. */
export function useForm<T>(initial: T): [T, <K extends keyof T>(name: K) => (value: T[K]) => void] {
  const [form, setForm] = useState(initial);
  return [
    form,
    (name) => (value) => {
      setForm((before) => ({ ...before, [name]: value }));
    },
  ];
}

/** Members of an enum to choose from; the present one is among them, whatever it is. */
export function options(names: Record<number, string>, values: number[], present = ""): [string, string][] {
  const known = values.map((value) => names[value] ?? "");
  return (present && !known.includes(present) ? [present, ...known] : known).map((name) => [name, word(name)]);
}
