/** What the keys do. */
import { helpShown, setShortcuts, shortcutsOn, VIEWS } from "../state/shortcuts";
import { Dialog } from "./dialog";
import { Check } from "./fields";

/** The dialog of shortcuts. */
export function Help() {
  return (
    <Dialog
      title="Shortcuts"
      onClose={() => {
        helpShown.value = false;
      }}
    >
      <dl class="keys">
        {VIEWS.map(([path, name, key]) => (
          <div key={path}>
            <dt>
              <kbd>g</kbd> <kbd>{key}</kbd>
            </dt>
            <dd>{name}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>/</kbd>
          </dt>
          <dd>First field of the view</dd>
        </div>
        <div>
          <dt>
            <kbd>l</kbd>
          </dt>
          <dd>Light or dark</dd>
        </div>
        <div>
          <dt>
            <kbd>?</kbd>
          </dt>
          <dd>This list</dd>
        </div>
        <div>
          <dt>
            <kbd>Esc</kbd>
          </dt>
          <dd>Close a dialog</dd>
        </div>
      </dl>
      <Check label="Single keys do something" value={shortcutsOn.value} onChange={setShortcuts} />
    </Dialog>
  );
}
