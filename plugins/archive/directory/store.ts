import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { archiveKeyFault, type ArchiveStore, type ByteRange, type Call, PluginError } from '@moorage/contract'
import { checkTime, type Directory, failureOf, isErrno, refuse } from '@moorage/files'
import { checkMade } from './layout.ts'
import { listObjects, objectOf } from './list.ts'
import { probeDirectory } from './probe.ts'
import { type Change, deleteObject, putObject } from './write.ts'

const LIMITS = {
  maxObjectBytes: 64 * 1024 * 1024,
  // The longest name that file systems take.
  maxKeyBytes: 255,
} as const

const PAGE_ITEMS = 1000

/** What may be otherwise than it ships. */
export interface StoreOptions {
  /** Most objects on one page of a listing. */
  readonly pageItems?: number
}

/** A store in a directory. */
export function newDirectoryStore(directory: Directory, { pageItems = PAGE_ITEMS }: StoreOptions): ArchiveStore {
  const { root } = directory
  return {
    limits: LIMITS,
    probe: (call) => guarded(call, () => probeDirectory(directory)),
    async put(key, body, call) {
      checkKey(key)
      if (body.length > LIMITS.maxObjectBytes)
        throw refuse('LIMIT', `an object has at most ${LIMITS.maxObjectBytes} bytes`)
      return changed({ root, key, call }, (change) => putObject(change, body))
    },
    get: (key, range, call) => looked({ root, key, call }, (path) => readRun(path, range, call)),
    stat: (key, call) =>
      looked({ root, key, call }, async (path) => {
        const found = await stat(path)
        return found.isFile() ? objectOf(key, found) : undefined
      }),
    list: (prefix, cursor, call) =>
      guarded(call, async () => {
        await checkMade(root)
        const wanted = { prefix, after: cursor ?? '', most: pageItems, checkTime: () => checkTime(call) }
        return listObjects(root, wanted)
      }),
    async delete(key, call) {
      checkKey(key)
      return changed({ root, key, call }, deleteObject)
    },
  }
}

function checkKey(key: string): void {
  const fault = archiveKeyFault(key)
  if (fault !== undefined) throw refuse('INVALID', fault)
  if (key.length > LIMITS.maxKeyBytes) throw refuse('LIMIT', `key: is longer than ${LIMITS.maxKeyBytes} bytes`)
}

/** Runs a call to its end or until its time is up. Whatever the file system throws becomes a `PluginError`. */
async function guarded<Result>(
  call: Call,
  work: () => Promise<Result>,
  effect: () => 'none' | 'possible' = () => 'none',
): Promise<Result> {
  checkTime(call)
  const late = Promise.withResolvers<never>()
  const giveUp = () => late.reject(new PluginError('TIMEOUT', 'the directory did not answer in time', effect()))
  const timer = setTimeout(giveUp, Math.min(call.deadline - Date.now(), LONGEST_TIMER_MS))
  call.signal.addEventListener('abort', giveUp)
  try {
    return await Promise.race([work(), late.promise])
  } catch (error) {
    throw call.signal.aborted
      ? new PluginError('TIMEOUT', 'the caller gave up', effect(), error)
      : failureOf(error, effect())
  } finally {
    clearTimeout(timer)
    call.signal.removeEventListener('abort', giveUp)
  }
}

/** What `setTimeout` takes. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

async function changed<Result>(
  what: Pick<Change, 'root' | 'key' | 'call'>,
  work: (change: Change) => Promise<Result>,
): Promise<Result> {
  let effect: 'none' | 'possible' = 'none'
  const began = () => {
    effect = 'possible'
  }
  return guarded(
    what.call,
    () => work({ ...what, began }),
    () => effect,
  )
}

/** Looks at a file; `undefined` when there is none. */
async function looked<Result>(
  { root, key, call }: Pick<Change, 'root' | 'key' | 'call'>,
  look: (path: string) => Promise<Result>,
): Promise<Result | undefined> {
  checkKey(key)
  return guarded(call, async () => {
    try {
      return await look(join(root, key))
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR', 'EISDIR'].some((code) => isErrno(error, code))) throw error
      await checkMade(root)
      return undefined
    }
  })
}

async function readRun(path: string, range: ByteRange | undefined, call: Call): Promise<Uint8Array | undefined> {
  const file = await open(path, 'r')
  try {
    const found = await file.stat()
    if (!found.isFile()) return undefined
    const { size } = found
    const { offset, length } = range ?? { offset: 0, length: size }
    const result = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, size - offset)))
    for (let done = 0; done < result.length;) {
      checkTime(call)
      const { bytesRead } = await file.read(result, done, result.length - done, offset + done)
      if (bytesRead === 0) throw refuse('UNAVAILABLE', `${path} ended after ${offset + done} of ${size} bytes`)
      done += bytesRead
    }
    return result
  } finally {
    await file.close()
  }
}
