import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Refusal } from './failures.ts'
import { type Machine, next, peek } from './machine.ts'
import { endsSessions, POOL_EVENTS, POOL_MACHINE, POOL_STATES } from './pool.ts'
import { SNAPSHOT_EVENTS, SNAPSHOT_MACHINE, SNAPSHOT_STATES } from './snapshot.ts'
import { VM_EVENTS, VM_MACHINE, VM_STATES } from './vm.ts'
import {
  CD_DEVICE,
  nextDeviceId,
  recovered,
  ROOT_DEVICE,
  VOLUME_EVENTS,
  VOLUME_MACHINE,
  VOLUME_STATES,
} from './volume.ts'

interface Named {
  readonly name: string
  readonly machine: Machine<string, string>
  readonly states: readonly string[]
  readonly events: readonly string[]
  readonly first: string
  readonly last: readonly string[]
}

const MACHINES: readonly Named[] = [
  {
    name: 'volume',
    machine: VOLUME_MACHINE,
    states: VOLUME_STATES,
    events: VOLUME_EVENTS,
    first: 'Allocated',
    last: ['Expunged'],
  },
  {
    name: 'snapshot',
    machine: SNAPSHOT_MACHINE,
    states: SNAPSHOT_STATES,
    events: SNAPSHOT_EVENTS,
    first: 'Allocated',
    last: ['Destroyed'],
  },
  // An expunged VM keeps its state and is removed.
  { name: 'vm', machine: VM_MACHINE, states: VM_STATES, events: VM_EVENTS, first: 'Stopped', last: ['Expunging'] },
  { name: 'pool', machine: POOL_MACHINE, states: POOL_STATES, events: POOL_EVENTS, first: 'Up', last: ['Removed'] },
]

/** States that some run of events leads to. */
function reachable({ machine, events }: Named, from: string): ReadonlySet<string> {
  const seen = new Set([from])
  for (const state of seen) {
    for (const event of events) {
      const to = peek(machine, state, event)
      if (to !== undefined) seen.add(to)
    }
  }
  return seen
}

describe.each(MACHINES)('the states of a $name', (named) => {
  const { machine, states, events, first, last } = named

  test('are closed: any run of events stays among them, and what is not allowed is refused and changes nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events), { maxLength: 30 }), (run) => {
        let state = first
        for (const event of run) {
          const to = peek(machine, state, event)
          if (to === undefined) expect(() => next(machine, state, { event, of: 'It' })).toThrow(Refusal)
          else expect(next(machine, state, { event, of: 'It' })).toBe(to)
          state = to ?? state
          expect(states).toContain(state)
        }
      }),
    )
  })

  test('never hold anything for good but at the end', () => {
    for (const state of states) expect([...reachable(named, state)]).toEqual(expect.arrayContaining([...last]))
  })

  test('do not know states of elsewhere', () => {
    const [event = ''] = events
    expect(() => next(machine, 'Nowhere', { event, of: 'It' })).toThrow('It is in state Nowhere')
  })
})

const TRANSITIONAL = ['Creating', 'Attaching', 'Snapshotting', 'RevertSnapshotting', 'Resizing'] as const

test.each(TRANSITIONAL)('a volume that is %s comes back to rest whether the operation succeeds or fails', (state) => {
  const rest = ['Ready', 'Allocated']
  expect(rest).toContain(peek(VOLUME_MACHINE, state, 'OperationSucceeded'))
  expect(rest).toContain(peek(VOLUME_MACHINE, state, 'OperationFailed'))
})

test('a volume can be deleted from every state but the last', () => {
  const refusing = VOLUME_STATES.filter((state) => peek(VOLUME_MACHINE, state, 'ExpungingRequested') === undefined)
  expect(refusing).toEqual(['Expunged'])
})

test('a volume whose deletion failed is never recovered: its bytes may be gone', () => {
  expect(peek(VOLUME_MACHINE, 'Expunging', 'OperationFailed')).toBe('Expunging')
  expect(peek(VOLUME_MACHINE, 'Expunging', 'RecoverRequested')).toBeUndefined()
})

test('a destroyed volume recovers to where it was: on an array, or nowhere yet', () => {
  expect([recovered(true), recovered(false)]).toEqual(['Ready', 'Allocated'])
})

test('a host that has not let go may be taken its access where the array ends sessions, and nowhere else', () => {
  expect(endsSessions({})).toBe(true)
  expect(endsSessions({ withdrawal: 'ends-sessions' })).toBe(true)
  expect(endsSessions({ withdrawal: 'host-must-detach' })).toBe(false)
})

test('the next device id is the lowest that is neither taken nor kept for root disk and CD drive', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 40 })), (taken) => {
      const id = nextDeviceId(new Set(taken))
      expect([...taken, ROOT_DEVICE, CD_DEVICE]).not.toContain(id)
      const lower = Array.from({ length: id }, (_, index) => index).filter(
        (one) => one !== ROOT_DEVICE && one !== CD_DEVICE,
      )
      expect(taken).toEqual(expect.arrayContaining(lower))
    }),
  )
})
