import { setTimeout as pause } from 'node:timers/promises'
import { PluginError } from '@moorage/contract'
import { sql } from 'kysely'
import type { Tx } from '../store/store.ts'
import type { CrashArray } from './crash-array.ts'
import { saga } from './saga.ts'
import type { OuterStep, SagaDefinition } from './saga.ts'

/** What an operation of the crash test is asked to do. */
export interface CrashInput {
  readonly volume: string
  /** Fails for good at its last part, so that all of it must be undone. */
  readonly fails: boolean
}

/** The parts that an operation which ends well leaves behind, on the array and in the table `made`. */
export const PARTS = ['volume', 'access', 'disk'] as const

type Part = (typeof PARTS)[number]
type Seen = { readonly input: CrashInput; readonly begun: { readonly volume: string } }

/** A saga of one decision and three parts; each part is an object on the array and a row of `made`. */
export function crashSaga(array: CrashArray): SagaDefinition<Tx> {
  return saga<CrashInput, Tx>({ name: 'crash', version: 1, lane: 'access' })
    .step('begun', {
      decide: async (tx, { input }, { operation }) => {
        await sql`insert into made values (${operation}, 'begun')`.execute(tx)
        return { volume: input.volume }
      },
      unrecord: async (tx, _seen, { operation }) => {
        await sql`delete from made where operation = ${operation} and part = 'begun'`.execute(tx)
      },
    })
    .step('volume', part(array, 'volume'))
    .step('access', part(array, 'access'))
    .step('disk', part(array, 'disk'))
    .build({
      failed: async (tx, _input, { operation }) => {
        await sql`insert into made values (${operation}, 'failed')`.execute(tx)
      },
    })
}

/** Pauses on both sides of the effect, so that a kill finds every moment. */
function part(array: CrashArray, name: Part): OuterStep<Seen, { readonly name: Part }, Tx> {
  return {
    run: async ({ input, begun }, { operation, call, attempt }) => {
      await pause(Math.random() * 8)
      array.make({ operation, volume: begun.volume, part: name, fence: call.fence })
      await pause(Math.random() * 8)
      if (input.fails && name === 'disk') throw new PluginError('INVALID', 'as asked', 'possible')
      if (attempt === 1 && Math.random() < 0.1) throw new PluginError('BUSY', 'try again', 'possible')
      return { name }
    },
    record: async (tx, _seen, out, { operation }) => {
      await sql`insert into made values (${operation}, ${out.name})`.execute(tx)
    },
    undo: async ({ begun }, { operation, call }) => {
      await pause(Math.random() * 8)
      array.remove({ operation, volume: begun.volume, part: name, fence: call.fence })
      await pause(Math.random() * 8)
    },
    unrecord: async (tx, _seen, { operation }) => {
      await sql`delete from made where operation = ${operation} and part = ${name}`.execute(tx)
    },
  }
}
