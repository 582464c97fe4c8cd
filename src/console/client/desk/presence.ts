import { useEffect, useRef, useState } from 'preact/hooks'
import { send } from '../api.ts'
import type { Page } from '../shapes.ts'
import type { Present } from './shapes.ts'

const HERE_MS = 12_000

/** Says that one has the ticket open while its tab is seen, and hears who else has. */
export function usePresence(ticket: string, isWriting: boolean): Present[] {
  const [others, setOthers] = useState<Present[]>([])
  const say = useRef(async () => {})
  say.current = async () => {
    if (document.hidden) return
    try {
      setOthers((await send<Page<Present>>('PUT', `/tickets/${ticket}/presence`, { body: { is_writing: isWriting } })).items)
    } catch {
      // Who else is here is good to know and no more: the banner tells that the API is away.
      setOthers([])
    }
  }
  useEffect(() => void say.current(), [ticket, isWriting])
  useEffect(() => {
    const timer = setInterval(() => void say.current(), HERE_MS)
    return () => {
      clearInterval(timer)
      // It is forgotten by itself in any case.
      send('DELETE', `/tickets/${ticket}/presence`).catch(() => {})
    }
  }, [ticket])
  return others
}
