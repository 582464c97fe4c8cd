import { z } from 'zod'
import { refusal } from './refusal.ts'

const PASSWORD_CHARS_MIN = 10
const PASSWORD_CHARS_MAX = 1_000
/** What is estimated of a long password: the rest only adds to it, and the estimate takes time. */
const ESTIMATED_CHARS = 64
/** Of 0 to 4: 2 withstands 10^6 guesses, more than a lockout lets anybody try in years. */
const SCORE_MIN = 2

/** A new password, wherever one is set: the length here, the rest by `passwordFault`. */
export const password = z.string().min(PASSWORD_CHARS_MIN).max(PASSWORD_CHARS_MAX)

type Estimate = (password: string, known: string[]) => number
let estimator: Promise<Estimate> | undefined

/** The word lists take a tenth of a second and some megabytes: loaded with the first password that is set. */
async function loadEstimator(): Promise<Estimate> {
  const [{ ZxcvbnFactory }, { dictionary, adjacencyGraphs }] = await Promise.all([import('@zxcvbn-ts/core'), import('@zxcvbn-ts/language-common')])
  const zxcvbn = new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs })
  return (text, known) => zxcvbn.check(text, known).score
}

/** Why nobody should have this password; null where it may be had. `known` is what everybody knows of its owner. */
export async function passwordFault(text: string, known: readonly string[]): Promise<string | null> {
  if (text.length < PASSWORD_CHARS_MIN) return `must have at least ${PASSWORD_CHARS_MIN} characters`
  if (text.length > PASSWORD_CHARS_MAX) return `must have at most ${PASSWORD_CHARS_MAX} characters`
  estimator ??= loadEstimator()
  const words = known.flatMap((each) => [each, ...each.split(/[^\p{L}\p{N}]+/u)]).filter((word) => word.length > 2)
  if ((await estimator)(text.slice(0, ESTIMATED_CHARS), words) < SCORE_MIN) return 'is too easily guessed: a few words that belong to nothing make a better one'
  return null
}

/** @throws a refusal with 400 that names the field */
export async function requireGoodPassword(text: string, known: readonly string[], path = 'password'): Promise<void> {
  const message = await passwordFault(text, known)
  if (message !== null) throw refusal(400, `The password ${message}.`, { errors: [{ location: 'body', path, message }] })
}
