import { createHash } from 'node:crypto'
import { chainAfter, findAnchor, freezeSnapshot, listChains } from './audit-chain.ts'
import type { ChainHead, ChainRow } from './audit-chain.ts'
import type { CommonQueryMethods, DatabasePool } from './pool.ts'

const PAGE = 2_000
const ORIGIN = createHash('sha256').digest()

/** What is wrong with a chain, and where it begins to be. */
export interface Break {
  /** `changed`: the row does not say what was sealed; `missing`: rows are gone; `head`: the chain does not end where it should. */
  fault: 'changed' | 'missing' | 'head'
  /** The first row that does not follow, or the place at which one is missed. */
  seq: number
  id: number | null
  detail: string
}

export interface ChainReport {
  organization_id: string | null
  slug: string | null
  rows: number
  /** The place before the first row that is kept: what came before was removed by retention. */
  pruned_through: number
  /** Kept elsewhere, it proves later that the chain up to here was not written anew. */
  head: Pick<ChainHead, 'id' | 'seq' | 'hash'> | null
  broken: Break | null
}

/** A head that was kept from an earlier run. */
export type KeptHead = Pick<ChainReport, 'organization_id' | 'head'>

/** The hash of a row, from its text and the row before: what the database computed as it sealed the row, computed here anew. */
export function chainHash(previous: Buffer, row: ChainRow): Buffer {
  const { seq, id, organization_id, actor_id, action, entity_type, entity_id, details, request_id, at_us } = row
  const text = [seq, id, organization_id, actor_id, action, entity_type, entity_id, details, request_id, at_us].map(part).join('')
  return createHash('sha256').update(previous).update(text).digest()
}

const part = (value: string | null): string => (value === null ? '-' : `${Buffer.byteLength(value)}:${value}`)

/**
 * Follows every chain of the audit from its beginning (or from where retention left it) to its head, as one moment shows them.
 *
 * @param kept heads that were kept from earlier: each must still stand in its chain
 */
export async function verifyAudit(pool: DatabasePool, kept: readonly KeptHead[] = []): Promise<ChainReport[]> {
  return pool.transaction(async (tx) => {
    await freezeSnapshot(tx)
    const chains = [...(await listChains(tx))]
    for (const { organization_id } of kept) {
      if (!chains.some((chain) => chain.organization_id === organization_id)) chains.push({ organization_id, slug: null, head: null })
    }
    const reports: ChainReport[] = []
    for (const chain of chains) {
      const known = kept.find(({ organization_id }) => organization_id === chain.organization_id)?.head ?? null
      reports.push(await verifyChain(tx, chain, known))
    }
    return reports
  })
}

async function verifyChain(
  db: CommonQueryMethods,
  { organization_id, slug, head }: { organization_id: string | null; slug: string | null; head: ChainHead | null },
  kept: Pick<ChainHead, 'id' | 'seq' | 'hash'> | null,
): Promise<ChainReport> {
  const report: ChainReport = { organization_id, slug, rows: 0, pruned_through: 0, head: head && { id: head.id, seq: head.seq, hash: head.hash }, broken: null }
  const broken = (found: Break): ChainReport => ({ ...report, broken: found })
  let previous: Buffer = ORIGIN
  let seq = 0
  let lastId = 0
  for (let page = await chainAfter(db, organization_id, 0, PAGE); page.length > 0; page = await chainAfter(db, organization_id, seq, PAGE)) {
    for (const row of page) {
      const place = Number(row.seq)
      if (report.rows === 0 && place > 1) {
        const anchor = await findAnchor(db, organization_id, place - 1)
        if (anchor === null)
          return broken({ fault: 'missing', seq: 1, id: null, detail: `the rows before ${place} are gone, and retention has left no anchor` })
        previous = Buffer.from(anchor, 'hex')
        report.pruned_through = place - 1
        seq = place - 1
      }
      if (place !== seq + 1) return broken({ fault: 'missing', seq: seq + 1, id: null, detail: `the rows from ${seq + 1} to ${place - 1} are gone` })
      if (!chainHash(previous, row).equals(row.hash) || Number(row.id) <= lastId) {
        return broken({
          fault: 'changed',
          seq: place,
          id: Number(row.id),
          detail: `row ${row.id} does not say what was sealed, or does not follow from the one before it`,
        })
      }
      if (kept?.seq === place && kept.hash !== row.hash.toString('hex')) {
        return broken({
          fault: 'changed',
          seq: place,
          id: Number(row.id),
          detail: `the head that was kept says otherwise: the chain up to row ${row.id} was written anew`,
        })
      }
      previous = row.hash
      seq = place
      lastId = Number(row.id)
      report.rows += 1
    }
  }
  if (seq < (head?.seq ?? 0)) return broken({ fault: 'missing', seq: seq + 1, id: null, detail: `the rows from ${seq + 1} to ${head!.seq} are gone` })
  if (head === null || head.seq !== seq || head.id !== lastId || head.hash !== previous.toString('hex')) {
    return broken({ fault: 'head', seq, id: lastId, detail: 'the chain does not end where its head says' })
  }
  if (kept && kept.seq > seq) return broken({ fault: 'missing', seq: seq + 1, id: null, detail: `the head that was kept stood at ${kept.seq}` })
  return report
}
