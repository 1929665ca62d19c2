import { rmdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Call, type Connection, type Exposure, type HostId, PluginError, type Source } from '@moorage/contract'
import { exists, isErrno, refuse } from '@moorage/files'
import { appear, reflink, relink, remove } from './durable.ts'
import { missing } from './failures.ts'
import { allocate, isWritten } from './format.ts'
import { type Access, type ObjectRecord, writeRecord } from './objects.ts'
import { change, doorOf, fileOf, type Pool, recordOf } from './pool.ts'

/** Where blocks are moved away from under a writer that left, there can be no second one beside it. */
export const MOST_WRITERS_WITH_REFLINKS = 1

/**
 * `access.expose`: each consumer gets a name of its own for the file. A snapshot's is a file of its own, so that no host can
 * change the snapshot, whatever it does.
 */
export function expose(pool: Pool, exposure: Exposure, call: Call): Promise<Connection> {
  const { source, consumer, mode, account } = exposure
  return change(pool, { object: source, call }, async (record, began) => {
    if (!(await exists(fileOf(pool, source)))) throw missing(source)
    if (source.kind === 'snapshot' && mode === 'rw') throw refuse('INVALID', 'mode: a snapshot is exposed read-only')
    const access: Access = { mode, account, initiator: consumer.initiator, kind: consumer.kind }
    const known = record.accesses[consumer.id]
    if (known) checkSame(known, access)
    else checkWriters(pool, record, mode)
    const door = doorOf(pool, source, consumer.id)
    if (!known || !(await exists(door))) {
      began()
      // The name comes first and is the last to go: whatever is interrupted, the inventory shows it.
      if (source.kind === 'volume') await relink(fileOf(pool, source), door)
      else await appear(door, (draft) => reflink(fileOf(pool, source), draft))
      const accesses = { ...record.accesses, [consumer.id]: access }
      if (!known) await writeRecord(recordOf(pool, source), { ...record, accesses })
    }
    const readOnly = mode === 'ro' ? ({ readOnly: true } as const) : {}
    return { via: 'file', path: door, format: pool.format.name, ...readOnly }
  })
}

/**
 * `access.withdraw`: the consumer's name for the file goes. With reflinks the bytes move before to a new file under the
 * volume's name, so that whoever still has the old one open writes to what nobody will read. Without, it must have let go: it
 * is refused as `BUSY` while a machine writes that can be no other's.
 */
export function withdraw(pool: Pool, access: Pick<Exposure, 'source' | 'consumer'>, call: Call): Promise<void> {
  const { source, consumer } = access
  return change(pool, { object: source, call }, async (record, began) => {
    const known = record.accesses[consumer.id]
    const writes = source.kind === 'volume' && known?.mode === 'rw' && (await exists(fileOf(pool, source)))
    if (writes && !pool.reflinks) await checkLetGo(pool, { source, record, call })
    began()
    const { [consumer.id]: _gone, ...accesses } = record.accesses
    if (writes && pool.reflinks) await sever(pool, source, accesses)
    if (known) await writeRecord(recordOf(pool, source), { ...record, accesses })
    await closeDoor(pool, source, consumer.id)
    if (writes && pool.reflinks) await takeSpaceAgain(fileOf(pool, source), record, call)
  })
}

/** Space that was taken ahead, and not written, stays with the old file. That there is none left must not keep anybody's access in being. */
async function takeSpaceAgain(file: string, { preallocation }: ObjectRecord, call: Call): Promise<void> {
  if (preallocation === undefined) return
  const { size: bytes } = await stat(file)
  await allocate(file, { bytes, preallocation, call }).catch((error: unknown) => {
    if (!(error instanceof PluginError) || error.code !== 'NO_SPACE') throw error
  })
}

async function closeDoor(pool: Pool, source: Source, consumer: HostId): Promise<void> {
  const door = doorOf(pool, source, consumer)
  await remove(door)
  await rmdir(dirname(door)).catch((error: unknown) => {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].some((code) => isErrno(error, code))) throw error
  })
}

/**
 * Interrupted anywhere it is repeated whole: the bytes are moved once more. The consumer's own name stays with the old file,
 * until it goes.
 */
async function sever(pool: Pool, source: Source, staying: ObjectRecord['accesses']): Promise<void> {
  const file = fileOf(pool, source)
  await appear(file, (draft) => reflink(file, draft))
  // Object.keys knows nothing of brands; the keys are host ids.
  for (const reader of Object.keys(staying) as HostId[]) await relink(file, doorOf(pool, source, reader))
}

async function checkLetGo(
  pool: Pool,
  what: { readonly source: Source; readonly record: ObjectRecord; readonly call: Call },
): Promise<void> {
  const { source, record, call } = what
  // Of two writers, as while a machine migrates, nobody can tell whose the lock is.
  if (writersOf(record) > 1) return
  if (await isWritten(fileOf(pool, source), pool.format, call)) {
    throw refuse('BUSY', `a machine still has ${source.kind} ${source.id} open for writing`)
  }
}

function checkWriters(pool: Pool, record: ObjectRecord, mode: Access['mode']): void {
  if (!pool.reflinks || mode === 'ro' || writersOf(record) < MOST_WRITERS_WITH_REFLINKS) return
  throw refuse('LIMIT', `there is a writer already, and a volume of this pool has ${MOST_WRITERS_WITH_REFLINKS}`)
}

function writersOf(record: ObjectRecord): number {
  return Object.values(record.accesses).filter(({ mode }) => mode === 'rw').length
}

function checkSame(known: Access, asked: Access): void {
  for (const name of ['mode', 'account', 'initiator', 'kind'] as const) {
    if (known[name] !== asked[name]) throw refuse('CONFLICT', `it is exposed to the consumer with another ${name}`)
  }
}
