import { PluginError } from '@moorage/contract'
import type { Tx } from '../../store/store.ts'
import { latency } from './crash-array.ts'
import type { CrashArray } from './crash-array.ts'
import { saga } from '../saga.ts'
import type { OuterStep, SagaDefinition } from '../saga.ts'

/** What an operation of the crash test is asked to do. */
export interface CrashInput {
  readonly volume: string
  /** Fails for good at its last part, so that all of it must be undone. */
  readonly fails: boolean
}

/** The parts that an operation which ends well leaves behind, on the array and in the database. */
export const PARTS = ['volume', 'access', 'disk'] as const

type Part = (typeof PARTS)[number]
type Seen = { readonly input: CrashInput; readonly begun: { readonly operation: string; readonly volume: string } }

/** A saga of one decision and three parts; each part is an object on the array and a record. */
export function crashSaga(array: CrashArray): SagaDefinition<Tx> {
  return saga<CrashInput, Tx>({ name: 'crash', version: 1, lane: 'access' })
    .step('begun', {
      decide: async (tx, { input }, { operation }) => {
        await note(tx, operation, 'begun')
        return { operation, volume: input.volume }
      },
      unrecord: async (tx, _seen, { operation }) => {
        await unnote(tx, operation, 'begun')
      },
    })
    .step('volume', part(array, 'volume'))
    .step('access', part(array, 'access'))
    .step('disk', part(array, 'disk'))
    .build({
      failed: async (...[tx, , { operation }]) => {
        await note(tx, operation, 'failed')
      },
    })
}

/** The device is slow on both sides of the effect, so that a kill finds every moment. */
function part(array: CrashArray, name: Part): OuterStep<Seen, { readonly name: Part }, Tx> {
  return {
    run: async ({ input, begun }, { operation, call, attempt }) => {
      await latency()
      array.make({ operation, volume: begun.volume, part: name, fence: call.fence })
      await latency()
      if (input.fails && name === 'disk') throw new PluginError('INVALID', 'as asked', 'possible')
      if (attempt === 1 && Math.random() < 0.1) throw new PluginError('BUSY', 'try again', 'possible')
      return { name }
    },
    record: async (tx, { begun }, out) => {
      await note(tx, begun.operation, out.name)
    },
    undo: async ({ begun }, { operation, call }) => {
      await latency()
      array.remove({ operation, volume: begun.volume, part: name, fence: call.fence })
      await latency()
    },
    unrecord: async (tx, { begun }) => {
      await unnote(tx, begun.operation, name)
    },
  }
}

/** Any table with a unique key will do; a record made twice fails. */
async function note(tx: Tx, operation: string, what: string): Promise<void> {
  await tx.insertInto('configuration').values({ name: operation, scope: what, value: '' }).execute()
}

async function unnote(tx: Tx, operation: string, what: string): Promise<void> {
  await tx.deleteFrom('configuration').where('name', '=', operation).where('scope', '=', what).execute()
}
