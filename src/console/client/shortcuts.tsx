import { useOffered } from './commands.ts'
import { Dialog } from './dialog.tsx'

const ALWAYS = [
  ['Ctrl K', 'Find a command or a ticket'],
  ['Ctrl Enter', 'Send what is written'],
  ['j, k or arrows', 'Down and up in a list'],
  ['Escape', 'Close what is open'],
] as const

/** The keys that do something here, told on "?". */
export function Shortcuts({ close }: { close: () => void }) {
  const keyed = useOffered().filter(({ keys }) => keys)
  return (
    <Dialog label="Keys" close={close}>
      <h2>Keys</h2>
      <dl class="keys">
        {keyed.map(({ id, name, keys }) => (
          <div key={id}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{name}</dd>
          </div>
        ))}
        {ALWAYS.map(([keys, name]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{name}</dd>
          </div>
        ))}
      </dl>
      <button class="button" onClick={close}>
        Close
      </button>
    </Dialog>
  )
}
