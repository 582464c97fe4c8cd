import { useEffect, useState } from 'preact/hooks'
import { read } from './api.ts'
import { go, ticketAddress } from './route.ts'
import type { Page } from './shapes.ts'
import { useOffered } from './commands.ts'
import { Dialog } from './dialog.tsx'
import { takeFocus } from './focus.ts'

const SEARCH_MS = 250
const FOUND_SHOWN = 8

interface Found {
  id: string
  number: number
  subject: string
}

interface Choice {
  id: string
  name: string
  keys?: string | undefined
  run: () => void
}

/** Ctrl-K: everything that can be done now, and for whoever answers `tickets` every one of them, by a few letters of it. */
export function Palette({ close, tickets }: { close: () => void; tickets: boolean }) {
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const commands = useOffered().filter(({ name }) => matches(name, text))
  const found = useFound(tickets ? text : '').map(({ id, number, subject }): Choice => ({
    id,
    name: `#${number} ${subject}`,
    run: () => go(ticketAddress(id)),
  }))
  const choices: Choice[] = [...commands, ...found]
  const chosen = choices[Math.min(at, choices.length - 1)]
  const run = (choice: Choice | undefined) => {
    if (!choice) return
    close()
    choice.run()
  }

  return (
    <Dialog label="Commands" close={close}>
      <input
        class="input palette-input"
        role="combobox"
        aria-label="What do you want to do?"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={chosen && `palette-${chosen.id}`}
        placeholder={tickets ? 'A command, or words of a ticket' : 'A command'}
        value={text}
        ref={takeFocus}
        onInput={(event) => {
          setText(event.currentTarget.value)
          setAt(0)
        }}
        onKeyDown={(event) => {
          const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
          if (step) setAt((before) => (Math.min(before, choices.length - 1) + step + choices.length) % Math.max(1, choices.length))
          else if (event.key === 'Enter') run(chosen)
          else return
          event.preventDefault()
        }}
      />
      <ul class="palette" id="palette-list" role="listbox" aria-label={tickets ? 'Commands and tickets' : 'Commands'}>
        {choices.map((choice) => (
          <li
            key={choice.id}
            id={`palette-${choice.id}`}
            class="palette-choice"
            role="option"
            aria-selected={choice === chosen}
            onClick={() => run(choice)}
            ref={(element) => {
              if (choice === chosen) element?.scrollIntoView({ block: 'nearest' })
            }}
          >
            <span>{choice.name}</span>
            {choice.keys && <kbd>{choice.keys}</kbd>}
          </li>
        ))}
      </ul>
      {choices.length === 0 && <p class="faint palette-none">Nothing is called that.</p>}
    </Dialog>
  )
}

function useFound(text: string): Found[] {
  const [found, setFound] = useState<Found[]>([])
  useEffect(() => {
    const wanted = text.trim().replace(/^#/, '')
    if (wanted.length < 2) {
      setFound([])
      return undefined
    }
    const life = new AbortController()
    const search = async () => {
      try {
        setFound((await read<Page<Found>>(`/search?${new URLSearchParams({ q: wanted, limit: String(FOUND_SHOWN) })}`, life.signal)).items)
      } catch {
        if (!life.signal.aborted) setFound([])
      }
    }
    const timer = setTimeout(() => void search(), SEARCH_MS)
    return () => {
      clearTimeout(timer)
      life.abort()
    }
  }, [text])
  return found
}

/** Every word that was typed begins a word of the name. */
function matches(name: string, text: string): boolean {
  const words = name.toLowerCase().split(/\W+/)
  return text
    .toLowerCase()
    .split(/\W+/)
    .every((typed) => words.some((word) => word.startsWith(typed)))
}
