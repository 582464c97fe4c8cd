import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import { generateSecret, generateURI, verifySync } from 'otplib'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { findSecondFactor, useRecoveryCode, useStep } from '#db/second-factors.ts'
import { refusal } from './refusal.ts'

const ISSUER = 'ATUM DESK'
/** A clock that is half a minute off is forgiven. */
const TOLERANCE_SECONDS = 30
const RECOVERY_CODES = 10
/** 80 bits: beyond guessing, so that a plain hash of it may be kept. */
const RECOVERY_BYTES = 10
const IV_BYTES = 12
const TAG_BYTES = 16
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'

/** What the service's secret seals: who reads the table learns no second factor. */
export interface FactorSeal {
  seal(userId: string, secret: string): Buffer
  /** @throws a refusal with 409 where it was sealed with another secret */
  open(userId: string, sealed: Buffer): string
}

export function factorSeal(serviceSecret: string): FactorSeal {
  const key = Buffer.from(hkdfSync('sha256', serviceSecret, '', 'atum-desk second factors', 32))
  return {
    seal: (userId, secret) => {
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(userId))
      const sealed = Buffer.concat([cipher.update(secret), cipher.final()])
      return Buffer.concat([iv, cipher.getAuthTag(), sealed])
    },
    open: (userId, sealed) => {
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
      decipher.setAAD(Buffer.from(userId)).setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
      try {
        return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString()
      } catch {
        throw refusal(
          409,
          "This second factor was kept under another ATUM_SECRET and cannot be checked. Have it removed: an admin can, or 'atum-desk admin reset-2fa'.",
        )
      }
    },
  }
}

/** A new secret, and the address from which an authenticator app takes it. */
export function newFactor(email: string): { secret: string; otpauth_url: string } {
  const secret = generateSecret()
  return { secret, otpauth_url: generateURI({ issuer: ISSUER, label: email, secret }) }
}

/** The 30 s step whose code this is; null where it is none, or one up to `after`. */
export function stepOf(secret: string, code: string, after: number | null): number | null {
  if (!/^\d{6}$/.test(code)) return null
  const result = verifySync({ secret, token: code, epochTolerance: TOLERANCE_SECONDS, ...(after === null ? {} : { afterTimeStep: after }) })
  return result.valid && 'timeStep' in result ? result.timeStep : null
}

/** Codes for the day on which the phone is lost, with the hashes under which they are kept. */
export function newRecoveryCodes(userId: string): { code: string; hash: Buffer }[] {
  return Array.from({ length: RECOVERY_CODES }, () => {
    const code = toBase32(randomBytes(RECOVERY_BYTES)).match(/.{4}/g)!.join('-')
    return { code, hash: hashRecoveryCode(userId, code) }
  })
}

function hashRecoveryCode(userId: string, code: string): Buffer {
  return createHash('sha256')
    .update(`${userId} ${code.toLowerCase().replaceAll(/[^a-z2-7]/g, '')}`)
    .digest()
}

function toBase32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return bits
    .match(/.{5}/g)!
    .map((five) => BASE32[Number.parseInt(five, 2)])
    .join('')
}

/** What a code of the second factor comes to. A right one is used up. */
export type FactorVerdict = 'none needed' | 'missing' | 'wrong' | 'right'

/** Checks the code of a sign-in: one of the app's, each good once, or a recovery code. */
export async function checkFactor(tx: DatabaseTransactionConnection, seal: FactorSeal, userId: string, otp: string | undefined): Promise<FactorVerdict> {
  const factor = await findSecondFactor(tx, userId)
  if (!factor?.confirmed) return 'none needed'
  const code = otp?.trim()
  if (!code) return 'missing'
  if (/^\d{3} ?\d{3}$/.test(code)) {
    const step = stepOf(seal.open(userId, factor.sealed_secret), code.replace(' ', ''), factor.last_step)
    return step !== null && (await useStep(tx, userId, step)) ? 'right' : 'wrong'
  }
  return (await useRecoveryCode(tx, userId, hashRecoveryCode(userId, code))) ? 'right' : 'wrong'
}

/** The answers to a sign-in that lacks its code, or has a wrong one: a client reads `type` to know what to ask for. */
export function factorMissing(): Error {
  return refusal(401, 'This account has a second factor: send its code as otp, or a recovery code.', {
    type: 'urn:atum-desk:problem:otp-required',
    errors: [{ location: 'body', path: 'otp', message: 'is needed' }],
  })
}

export function factorWrong(status = 401): Error {
  return refusal(status, 'This code is wrong, too old, or was used before.', {
    type: 'urn:atum-desk:problem:otp-wrong',
    errors: [{ location: 'body', path: 'otp', message: 'is wrong, too old, or was used before' }],
  })
}
