import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TextClassifier } from '#ai/classifier.ts'
import { Neighbours } from '#ai/neighbours.ts'
import { seedOf } from '#ai/training-examples.ts'
import { triage } from '#ai/triage.ts'
import { SERVICES } from '#demo/services.ts'

const id = '00000000-0000-0000-0000-000000000000'

test('names and descriptions alone offer a category for a clear ticket, and none for one that shares a word by chance', async () => {
  const category = await TextClassifier.learn(SERVICES.map((service) => seedOf(service, service.name)))
  assert.equal(category.measured, null)
  const none = { priority: null, tags: null, group: null, assignee: null, leastSimilarity: null, isTeachable: false }
  const model = { id: 'names', rows: 0, category, neighbours: await Neighbours.learn([], () => ''), ...none }
  const of = (subject: string, description: string) =>
    triage(model, { id, number: 1, priority: 'medium', status: 'new', version: 1, requester_name: '', subject, description })

  const clear = of('The coffee machine leaks', 'The brewing unit shows an error code and the grinder makes strange noises.')
  assert.equal(clear.category, 'Machine repair')
  for (const [subject, description] of CHANCE) {
    const { category: offered, explanation } = of(subject, description)
    assert.deepEqual([offered, explanation.category.reason, explanation.category.floor], [null, 'not sure enough', 0.6], subject)
  }
})

const CHANCE = [
  ['Meeting room cancellation', 'Please cancel the booking of the meeting room for the two users on Tuesday.'],
  ['Add user to the network', 'Please add the user to the network group and the calendar.'],
  ['Two screens for the new colleague', 'Please put two screens on the desk by Monday'],
] as const
