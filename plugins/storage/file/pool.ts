import { randomUUID } from 'node:crypto'
import { readdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Call, type HostId, type PoolReport, type Source, PluginError } from '@moorage/contract'
import {
  checkThere,
  checkTime,
  type Directory,
  exists,
  failureOf,
  identityOf,
  isErrno,
  refuse,
  spaceOf,
} from '@moorage/files'
import { dropDraft, reflink } from './durable.ts'
import type { Format } from './format.ts'
import { locked } from './locks.ts'
import { claim, type ObjectRecord } from './objects.ts'

/** A directory as one installation uses it: under one path on controllers and hosts. */
export interface Pool extends Directory {
  /** Ownership mark, and name of the directory that holds everything of ours. */
  readonly owner: string
  readonly format: Format
  /** True: snapshots, clones and withdrawals move blocks by reflink. */
  readonly reflinks: boolean
}

/** Less free than this is full: file systems need room for what they write to give room back. */
const RESERVE_BYTES = 64 * 1024 * 1024
const IDENTITY = '.moorage-pool'

/** Folders of an installation by what they hold. */
export const FOLDERS = { volume: 'volumes', snapshot: 'snapshots' } as const satisfies Record<Source['kind'], string>

/** Path of a source below the root: the back end's name for it. */
export function nameOf(pool: Pool, { kind, id }: Source): string {
  return join(pool.owner, FOLDERS[kind], `${id}.${pool.format.name}`)
}

/** The file with the bytes of a source. */
export function fileOf(pool: Pool, source: Source): string {
  return join(pool.root, nameOf(pool, source))
}

/** The name under which one consumer opens a source. */
export function doorOf(pool: Pool, { kind, id }: Source, consumer: HostId): string {
  return join(pool.root, pool.owner, 'access', consumer, `${kind}-${id}.${pool.format.name}`)
}

/** Where the record of a source is. */
export function recordOf(pool: Pool, { kind, id }: Source): string {
  return join(pool.root, pool.owner, 'records', `${kind}-${id}.json`)
}

/** What a change does, told what is remembered of its object. `began`: from here on something may have changed. */
export type Work<Result> = (record: ObjectRecord, began: () => void) => Promise<Result>

/** A change of `object` that reads or keeps still `others`. */
export interface Change {
  readonly object: Source
  readonly others?: readonly Source[]
  readonly call: Call
}

/**
 * Runs a change alone, under its fence. Whatever the file system throws becomes a `PluginError`, with effect `none` until
 * the work says that it has begun.
 */
export async function change<Result>(pool: Pool, what: Change, work: Work<Result>): Promise<Result> {
  const { object, others = [], call } = what
  let effect: 'none' | 'possible' = 'none'
  const began = () => {
    effect = 'possible'
  }
  return guarded(pool, {
    call,
    effect: () => effect,
    work: () =>
      alone(pool, [object, ...others], {
        call,
        work: async () => {
          const record = await claim(recordOf(pool, object), call.fence, `${object.kind} ${object.id}`)
          // Changes take turns: a draft that is there now is of one that was cut short, and may never be asked for again.
          for (const path of [recordOf(pool, object), fileOf(pool, object)]) await dropDraft(path)
          return work(record, began)
        },
      }),
  })
}

/** Runs a reading call; it waits for a change of `object` that is under way, so that its answer settles what became of it. */
export async function look<Result>(
  pool: Pool,
  what: { readonly object?: Source; readonly call: Call },
  work: () => Promise<Result>,
): Promise<Result> {
  const { object, call } = what
  const run = object ? () => alone(pool, [object], { call, work }) : work
  return guarded(pool, { call, effect: () => 'none', work: run })
}

async function guarded<Result>(
  pool: Pool,
  options: {
    readonly call: Call
    readonly effect: () => 'none' | 'possible'
    readonly work: () => Promise<Result>
  },
): Promise<Result> {
  checkTime(options.call)
  try {
    await checkThere(pool)
    return await options.work()
  } catch (error) {
    throw failureOf(error, options.effect())
  }
}

function alone<Result>(
  pool: Pool,
  sources: readonly Source[],
  options: { readonly call: Call; readonly work: () => Promise<Result> },
): Promise<Result> {
  const keys = sources.map(({ kind, id }) => `${kind}/${id}`)
  return locked(join(pool.root, pool.owner, 'locks'), keys, options)
}

/** `pools.report`. */
export async function report(pool: Pool, call: Call): Promise<PoolReport> {
  return look(pool, { call }, async () => {
    if (pool.reflinks) await checkReflinks(pool.root)
    const space = await spaceOf(pool.root)
    const { type } = await statfs(pool.root)
    const identity = await identityOf(pool.root, IDENTITY)
    const version = `${pool.format.name} on 0x${type.toString(16)}`
    const reach = { via: 'file', directory: pool.root, mark: { name: IDENTITY, text: identity } } as const
    return { identity, ...space, version, reach }
  })
}

/** Throws `NO_SPACE`, effect `none`, when the pool is full, or smaller than `bytes`. Volumes are thin otherwise. */
export async function checkRoom(pool: Pool, bytes: number): Promise<void> {
  const { totalBytes, usedBytes } = await spaceOf(pool.root)
  if (bytes > totalBytes) throw refuse('NO_SPACE', `${bytes} bytes exceed the pool of ${totalBytes}`)
  if (totalBytes - usedBytes < RESERVE_BYTES) {
    throw refuse('NO_SPACE', `the pool is full: ${usedBytes} of ${totalBytes} bytes are in use`)
  }
}

/** Throws `CONFLICT`, effect `none`, when another installation has an object of this id in the same directory. */
export async function checkNobodyElses(pool: Pool, source: Source): Promise<void> {
  for (const other of await readdir(pool.root, { withFileTypes: true })) {
    if (!other.isDirectory() || other.name === pool.owner) continue
    const stem = join(pool.root, other.name, FOLDERS[source.kind], source.id)
    if ((await exists(`${stem}.raw`)) || (await exists(`${stem}.qcow2`))) {
      throw refuse('CONFLICT', `${source.kind} ${source.id} belongs to another installation`)
    }
  }
}

async function checkReflinks(root: string): Promise<void> {
  const probe = join(root, `${IDENTITY}.${randomUUID()}`)
  try {
    await writeFile(probe, 'x', { mode: 0o600 })
    await reflink(probe, `${probe}.clone`)
  } catch (error) {
    if (!['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL'].some((code) => isErrno(error, code))) throw error
    const text = `${root} is on a file system without reflinks, which the format raw needs: use qcow2 there`
    throw new PluginError('UNSUPPORTED', text, 'none', error)
  } finally {
    await rm(probe, { force: true })
    await rm(`${probe}.clone`, { force: true })
  }
}
