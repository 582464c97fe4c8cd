import { hash, verify } from '@node-rs/argon2'

/** Argon2id with the library's defaults: 19 MiB, two passes, one lane, which is what OWASP asks for; about 20 ms a hash. */
export function hashPassword(password: string): Promise<string> {
  return hash(password)
}

let decoy: Promise<string> | undefined

/** Compares with a hash that belongs to nobody, so that an unknown account takes as long as a known one. */
export async function verifyAgainstNobody(password: string): Promise<false> {
  decoy ??= hashPassword(crypto.randomUUID())
  await verify(await decoy, password)
  return false
}

/** Whether the password is the one of which `passwordHash` was made. */
export function verifyPassword(passwordHash: string, password: string): Promise<boolean> {
  return verify(passwordHash, password)
}
