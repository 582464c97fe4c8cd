const KEY = 'atum-desk-session'
/** An access token is exchanged this long before it ends, so that no request meets its end. */
const REFRESH_BEFORE_MS = 30_000

interface Session {
  /** The organisation wants a second factor: until there is one, nothing else is open. */
  lacks_factor: boolean
  access_token: string
  refresh_token: string
  expires_at: number
}

export interface Tokens {
  access_token: string
  refresh_token: string
  expires_in: number
  two_factor_setup_required?: true
}

type Listener = () => void
const listeners = new Set<Listener>()
let refreshing: Promise<string | null> | null = null
let farewell: string | null = null

/** Whether somebody is signed in, as far as this tab knows. */
export const isSignedIn = (): boolean => stored() !== null

/** Whether all that is open to who is signed in is to set up a second factor. */
export const lacksFactor = (): boolean => stored()?.lacks_factor ?? false

/** Why the last session ended, in words for the sign-in page; null where it ended on purpose or never began. */
export const endedBecause = (): string | null => farewell

export function onSessionChange(listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Keeps the tokens for this tab only: closing the tab signs out. */
export function keep(tokens: Tokens): void {
  const session: Session = {
    lacks_factor: tokens.two_factor_setup_required ?? false,
    access_token: tokens.access_token,
    refresh_token: tokens.refresh_token,
    expires_at: Date.now() + tokens.expires_in * 1_000,
  }
  sessionStorage.setItem(KEY, JSON.stringify(session))
  farewell = null
  for (const listener of listeners) listener()
}

/** Forgets the tokens. @returns the refresh token that was kept, so that the server can forget it too */
export function forget(because: string | null = null): string | null {
  const session = stored()
  sessionStorage.removeItem(KEY)
  farewell = because
  for (const listener of listeners) listener()
  return session?.refresh_token ?? null
}

/**
 * A token to send now, exchanged first where it is about to end (or `again`, where the server refused it); null where
 * there is no session any more. Requests that meet here share one exchange: a refresh token is good for one use.
 */
export async function accessToken(exchange: (refreshToken: string) => Promise<Tokens | null>, again?: string): Promise<string | null> {
  const session = stored()
  if (!session) return null
  const fresh = session.expires_at - Date.now() > REFRESH_BEFORE_MS
  if (fresh && session.access_token !== again) return session.access_token
  refreshing ??= renew(session.refresh_token, exchange).finally(() => (refreshing = null))
  return refreshing
}

async function renew(refreshToken: string, exchange: (refreshToken: string) => Promise<Tokens | null>): Promise<string | null> {
  const tokens = await exchange(refreshToken)
  // Signed out, or in as somebody else, while the exchange was under way.
  if (stored()?.refresh_token !== refreshToken) return stored()?.access_token ?? null
  if (tokens) keep(tokens)
  else forget('Your session has ended. Sign in again to go on where you were.')
  return tokens?.access_token ?? null
}

function stored(): Session | null {
  const text = sessionStorage.getItem(KEY)
  return text === null ? null : (JSON.parse(text) as Session)
}
