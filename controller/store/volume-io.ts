import { sql } from 'kysely'
import { type IoCounters, ioSince, plus, type Reading } from '../domain/usage.ts'
import type { VolumeIoRow } from './generated/schema.ts'
import type { Reader, Tx } from './store.ts'

/** A volume whose I/O counters are to be read, and where they may be. */
export interface IoDue {
  readonly volume: string
  /** The reading that the next one follows: see `recordReadings`. */
  readonly readings: number
  /** The pool in which it lives; absent: nowhere. */
  readonly pool?: string
  /** The machine that has it as a disk; absent: none does. */
  readonly machine?: {
    readonly vm: string
    readonly life: number
    readonly host: string
    readonly generation: number
  }
  /** It is attached: there will be more to read. */
  readonly attached: boolean
}

/** At most `most` volumes that were not read for `seconds`, those first that were not for longest. */
export async function ioDue(
  reader: Reader,
  { seconds, most }: { readonly seconds: number; readonly most: number },
): Promise<readonly IoDue[]> {
  const rows = await reader
    .selectFrom('volumeIo')
    .leftJoin('location', (join) =>
      join.onRef('location.volumeId', '=', 'volumeIo.volumeId').on('location.state', '=', 'present'),
    )
    .leftJoin('attachment', 'attachment.volumeId', 'volumeIo.volumeId')
    .leftJoin('vm', 'vm.id', 'attachment.vmId')
    .select(['volumeIo.volumeId', 'volumeIo.readings', 'location.poolId', 'attachment.actual', 'attachment.vmId'])
    .select(['attachment.generation', 'vm.generation as life', 'vm.state as vmState', 'vm.hostId'])
    .where('volumeIo.live', '=', true)
    .where('volumeIo.readAt', '<=', sql<Date>`now() - make_interval(secs => ${seconds})`)
    .orderBy('volumeIo.readAt')
    .limit(most)
    .execute()
  return rows.map(({ volumeId, readings, poolId, vmId, life, generation, hostId, vmState, actual }) => ({
    volume: volumeId,
    readings,
    attached: vmId !== null,
    ...(poolId === null ? {} : { pool: poolId }),
    ...(vmId === null || life === null || generation === null || hostId === null
      ? {}
      : vmState === 'Running' && actual === 'attached'
        ? { machine: { vm: vmId, life, host: hostId, generation } }
        : {}),
  }))
}

/** What was found of one volume. `reading` absent: nobody could tell; it is another's turn then. */
export interface IoFound extends Pick<IoDue, 'volume' | 'readings'> {
  readonly reading?: Reading
  /** Whether there may be more to read. */
  readonly live: boolean
}

/**
 * Adds what readings found to be new to the sums and to the ledger, under the volume's owner. One that another reading has
 * overtaken since `ioDue` is left out: it is in that one. Repeating is harmless.
 */
export async function recordReadings(tx: Tx, found: readonly IoFound[]): Promise<void> {
  if (found.length === 0) return
  const rows = await tx
    .selectFrom('volumeIo')
    .selectAll()
    .where(
      'volumeId',
      'in',
      found.map(({ volume }) => volume),
    )
    .orderBy('volumeId')
    .forUpdate()
    .execute()
  const before = new Map(rows.map((row) => [row.volumeId, row]))
  const changed = found.flatMap((one) => {
    const row = before.get(one.volume)
    return row?.readings === one.readings ? [advanced(row, one)] : []
  })
  if (changed.length === 0) return
  await writeSums(tx, changed)
  const used = changed.filter(({ io }) => Object.values(io).some((count) => count > 0))
  if (used.length > 0) await writeLedger(tx, used)
}

interface Advanced {
  readonly row: Omit<VolumeIoRow, 'readAt'>
  readonly io: IoCounters
}

function advanced(row: VolumeIoRow, { reading, live }: IoFound): Advanced {
  const last: Reading = {
    source: row.source,
    counters: {
      readOps: row.rawReadOps,
      writeOps: row.rawWriteOps,
      readBytes: row.rawReadBytes,
      writeBytes: row.rawWriteBytes,
    },
  }
  const { source, counters } = reading ?? last
  const io = ioSince(last, { source, counters })
  return {
    io,
    row: {
      volumeId: row.volumeId,
      ...plus(row, io),
      source,
      rawReadOps: counters.readOps,
      rawWriteOps: counters.writeOps,
      rawReadBytes: counters.readBytes,
      rawWriteBytes: counters.writeBytes,
      live,
      readings: row.readings + 1,
    },
  }
}

async function writeSums(tx: Tx, changed: readonly Advanced[]): Promise<void> {
  await tx
    .insertInto('volumeIo')
    .values(changed.map(({ row }) => ({ ...row, readAt: sql<Date>`now()` })))
    .onConflict((conflict) =>
      conflict.column('volumeId').doUpdateSet(({ ref }) => ({
        readOps: ref('excluded.readOps'),
        writeOps: ref('excluded.writeOps'),
        readBytes: ref('excluded.readBytes'),
        writeBytes: ref('excluded.writeBytes'),
        source: ref('excluded.source'),
        rawReadOps: ref('excluded.rawReadOps'),
        rawWriteOps: ref('excluded.rawWriteOps'),
        rawReadBytes: ref('excluded.rawReadBytes'),
        rawWriteBytes: ref('excluded.rawWriteBytes'),
        live: ref('excluded.live'),
        readings: ref('excluded.readings'),
        readAt: ref('excluded.readAt'),
      })),
    )
    .execute()
}

async function writeLedger(tx: Tx, used: readonly Advanced[]): Promise<void> {
  const ids = used.map(({ row }) => row.volumeId)
  const owners = await tx
    .selectFrom('volume')
    .leftJoin('attachment', 'attachment.volumeId', 'volume.id')
    .select(['volume.id', 'volume.accountId', 'volume.zoneId', 'attachment.vmId'])
    .where('volume.id', 'in', ids)
    .execute()
  const owner = new Map(owners.map(({ id, ...of }) => [id, of]))
  const rows = used.flatMap(({ row: { volumeId }, io }) => {
    const of = owner.get(volumeId)
    return of === undefined ? [] : [{ volumeId, ...of, ...io, at: sql<Date>`clock_timestamp()` }]
  })
  if (rows.length > 0) await tx.insertInto('usageIo').values(rows).execute()
}
