import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { inOrganization } from '#db/pool.ts'
import { searchTickets } from '#db/ticket-search.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization, createUser } from '../support/people.ts'
import { explain } from '../support/plans.ts'

const database = await testDatabase()
const WORDS = ['printer', 'jam', 'jammed', 'of', 'the', 'e-mail', "it's", 'C:\\temp', 'big|red', 'http://a.b/c?d', 'Öl', 'x:y']
const text = fc.array(fc.constantFrom(...WORDS), { maxLength: 12 }).map((words) => words.join(' '))
const question = fc
  .array(
    fc.oneof(
      fc.constantFrom(...WORDS, ...WORDS.map((word) => `-${word}`), 'or'),
      fc
        .tuple(fc.constantFrom('', '-'), fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 4 }))
        .map(([sign, words]) => `${sign}"${words.join(' ')}"`),
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => parts.join(' '))

test('the pairs that are sought of a phrase are in every text that holds it', async () => {
  const cases = fc.sample(fc.record({ text, question }), { numRuns: 5_000, seed: 7 })
  const [row] = await database.owner<{ matching: number; with_pairs: number; missed: string[] | null }>(
    `with tried as (
       select text, websearch_to_tsquery('english', question) as wanted, searchable(to_tsvector('english', text), gen_random_uuid(), 1) as words
         from unnest($1::text[], $2::text[]) as given (text, question)
     )
     select count(*) filter (where words @@ wanted)::int as matching, count(*) filter (where words @@ wanted and pairs_sought(wanted) is not null)::int as with_pairs,
            array_agg(text || ' / ' || wanted::text) filter (where words @@ wanted and not words @@ (wanted && pairs_sought(wanted))) as missed
       from tried`,
    [cases.map((each) => each.text), cases.map((each) => each.question)],
  )
  assert.equal(row!.missed, null)
  assert.ok(row!.matching > 500 && row!.with_pairs > 50, JSON.stringify(row))
})

test('a phrase of words that are everywhere reads the texts that may hold it, not all that hold the words', async () => {
  const organization = await createOrganization(database)
  const user = await createUser(database, 'agent', organization)
  await database.owner(
    `with numbered as (update organizations set last_ticket_number = 20000 where id = $1)
     insert into tickets (organization_id, number, requester_id, subject, description)
     select $1, n, $2, case when n % 5000 = 0 then 'grey heron' else 'heron, so grey' end, repeat('nothing more than this ', 20) from generate_series(1, 20000) n`,
    [organization.id, user.id],
  )
  await database.owner('vacuum analyze ticket_texts')
  const blocksOf = ['"grey heron"', '"grey heron" or zebra'].map((words) =>
    inOrganization(database.app, organization.id, async (tx) => {
      const search = () => explain(tx, (db) => searchTickets(db, { user_id: user.id, sees: 'all' }, words, { after: null, limit: 51 }))
      // The first one reads the catalogue too.
      await search()
      const plan = await search()
      assert.equal(plan.rows, 4)
      return plan.blocks
    }),
  )
  // In an alternative no pair must be in every text: so it is looked for by its words.
  const [phrase, alternative] = await Promise.all(blocksOf)
  assert.ok(phrase! * 3 < alternative!, `${phrase} blocks, and ${alternative}`)
})
