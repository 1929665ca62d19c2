import { type Call, PluginError, type Source } from '@moorage/contract'
import type { Logger } from 'pino'
import type { Counters } from '../engine/counters.ts'
import type { Engine } from '../engine/engine.ts'
import type { PoolFiles } from '../engine/pool-files.ts'
import type { Gate, KeyedLocks } from '../gate.ts'
import type { Access } from '../state/access.ts'
import type { Database } from '../state/database.ts'
import { claim, fenceOf } from '../state/fences.ts'
import type { Objects } from '../state/objects.ts'

/** What the facets work with. */
export interface San {
  readonly identity: string
  /** Open while the SAN serves: before, nothing is mounted; afterwards, nothing may begin. */
  readonly serving: Gate
  /** Operations per second that the pool can do: what guarantees are given from. */
  readonly iops: number
  /** `host:port`. */
  readonly portal: string
  /** Directory of the mount points of exports. */
  readonly exports: string
  readonly database: Database
  readonly objects: Objects
  readonly access: Access
  readonly files: PoolFiles
  readonly engine: Engine
  readonly counters: Counters
  readonly locks: KeyedLocks
  readonly log: Logger
}

/** Who calls: the ownership mark that came with the call. */
export interface Caller {
  readonly owner: string
  readonly call: Call
}

/** Runs a change of one object: alone on it and on `others`, with the daemons up, after its fence was accepted. */
export function change<Result>(
  san: San,
  at: { readonly object: Source; readonly others?: readonly Source[]; readonly call: Call },
  task: () => Promise<Result>,
): Promise<Result> {
  const { object, others = [], call } = at
  return san.locks.run([object, ...others].map(fenceOf), call, () =>
    san.engine.work(call, async () => {
      claim(san.database, fenceOf(object), call)
      return task()
    }),
  )
}

/** Refuses what belongs to another installation: it is counted, and never touched. */
export function checkOwner(object: Source, owner: string, caller: Caller): void {
  if (owner === caller.owner) return
  throw new PluginError('DENIED', `${fenceOf(object)} belongs to another installation`, 'none')
}

/** Throws `IN_USE`, effect `none`, while anybody has access to the source. */
export function checkUnexposed(san: San, source: Source): void {
  const [exposure] = san.access.exposures(source)
  if (!exposure) return
  throw new PluginError('IN_USE', `${fenceOf(source)} is exposed to ${exposure.initiator}`, 'none')
}

/** The error for an object that is not there. */
export function missing(source: Source): PluginError {
  return new PluginError('NOT_FOUND', `no ${source.kind} ${source.id} here`, 'none')
}
