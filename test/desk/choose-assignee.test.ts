import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { chooseAssignee } from '#desk/choose-assignee.ts'
import type { Candidate } from '#desk/choose-assignee.ts'

const candidates = fc.uniqueArray(
  fc.record({ user_id: fc.uuid(), open: fc.nat(5), max_open: fc.option(fc.integer({ min: 1, max: 5 })), last_turn: fc.nat(4) }),
  { selector: ({ user_id }) => user_id, maxLength: 8 },
)
const strategy = fc.constantFrom('round_robin' as const, 'least_load' as const)
const hasRoom = ({ open, max_open }: Candidate): boolean => max_open === null || open < max_open

test('whoever is chosen has room, nobody with room has less to do or waits longer, and the order of asking does not matter', () => {
  fc.assert(
    fc.property(candidates, strategy, (some, by) => {
      const chosen = chooseAssignee(by, some)
      assert.equal(chosen === null, !some.some(hasRoom))
      if (!chosen) return
      assert.ok(hasRoom(chosen))
      for (const other of some.filter(hasRoom)) {
        if (by === 'least_load') assert.ok(chosen.open <= other.open)
        if (by === 'round_robin' || chosen.open === other.open) assert.ok(chosen.last_turn <= other.last_turn)
      }
      assert.equal(chooseAssignee(by, some.toReversed())?.user_id, chosen.user_id)
    }),
  )
})

test('in turn, everybody with room is given one before anybody is given two', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.nat(20), (people, tickets) => {
      const some: Candidate[] = Array.from({ length: people }, (_, index) => ({ user_id: `u${index}`, open: 0, max_open: null, last_turn: 0 }))
      for (let turn = 1; turn <= tickets; turn += 1) {
        const chosen = chooseAssignee('round_robin', some)!
        chosen.open += 1
        chosen.last_turn = turn
      }
      const given = some.map(({ open }) => open)
      assert.ok(Math.max(...given) - Math.min(...given) <= 1)
    }),
  )
})
