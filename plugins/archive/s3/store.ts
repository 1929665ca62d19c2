import { randomUUID } from 'node:crypto'
import {
  archiveKeyFault,
  type ArchiveObject,
  type ArchiveReport,
  type ArchiveStore,
  type Call,
  type Page,
  PluginError,
} from '@moorage/contract'
import type { S3Endpoint } from './endpoint.ts'
import { checkTime } from './failures.ts'
import { lazyRequests } from './lazy-requests.ts'
import type { Requests } from './requests.ts'

const MAX_OBJECT_BYTES = 64 * 1024 * 1024
const MAX_KEY_BYTES = 1024

/** What the plug-in keeps for itself: no key begins with a dot. */
const OWN = '.moorage-archive/'

/** How many write one key at once when it is tried out what becomes of that. */
const WRITERS = 4

const DAY_MS = 24 * 3_600_000

/** How often a put is asked again when the server answers that writers got into each other's way. */
const MOST_CONTESTS = 10

/** A store in a bucket, below a prefix if there is one. */
export function newS3Store(endpoint: S3Endpoint): ArchiveStore {
  const requests = lazyRequests(endpoint)
  const { prefix } = endpoint
  const bucket: Bucket = { requests, own: `${prefix}${OWN}` }
  const limits = { maxObjectBytes: MAX_OBJECT_BYTES, maxKeyBytes: MAX_KEY_BYTES - prefix.length }
  const keyOf = (key: string) => {
    const fault = archiveKeyFault(key)
    if (fault !== undefined) throw refuse('INVALID', fault)
    if (key.length > limits.maxKeyBytes) throw refuse('LIMIT', `key: is longer than ${limits.maxKeyBytes} bytes`)
    return prefix + key
  }
  const made = once((call) => identityOf(bucket, call))
  const conditional = once((call) => conditionsOf(bucket, call))
  const found = async <Found>(answer: Found | undefined, call: Call) => {
    if (answer === undefined) await identityOf(bucket, call)
    return answer
  }
  const stat: ArchiveStore['stat'] = async (key, call) => {
    const seen = await requests.head(keyOf(key), call)
    return found(seen && { ...seen, key }, call)
  }
  return {
    limits,
    stat,
    probe: (call) => probe(bucket, call),
    async put(key, body, call) {
      const at = keyOf(key)
      if (body.length > MAX_OBJECT_BYTES) throw refuse('LIMIT', `an object has at most ${MAX_OBJECT_BYTES} bytes`)
      checkTime(call)
      await made(call)
      const atomic = (await conditional(call)) === 'atomic'
      if (!atomic && (await requests.head(at, call))) return 'present'
      return store(requests, { key: at, body, conditional: atomic }, call)
    },
    async get(key, range, call) {
      const at = keyOf(key)
      if (range?.length === 0) return (await stat(key, call)) && new Uint8Array(0)
      return found(await requests.get(at, range, call), call)
    },
    async list(wanted, cursor, call) {
      const after = cursor === undefined ? undefined : prefix + cursor
      const page = await requests.list(prefix + wanted, after, call)
      if (page.items.length === 0) await identityOf(bucket, call)
      return pageOf(page, prefix)
    },
    async delete(key, call) {
      const at = keyOf(key)
      checkTime(call)
      await made(call)
      await requests.remove(at, call)
    },
  }
}

/** Found out once; what could not be found out is tried again. */
function once<Found>(find: (call: Call) => Promise<Found>): (call: Call) => Promise<Found> {
  let known: Promise<Found> | undefined
  return (call) => {
    known ??= find(call).catch((error: unknown) => {
      known = undefined
      throw error
    })
    return known
  }
}

async function store(
  requests: Requests,
  object: { readonly key: string; readonly body: Uint8Array; readonly conditional: boolean },
  call: Call,
): Promise<'stored' | 'present'> {
  const { key, body, conditional } = object
  for (let contest = 1; contest <= MOST_CONTESTS; contest++) {
    const outcome = await requests.put(key, body, { call, conditional })
    if (outcome === 'stored' || outcome === 'present') return outcome
    if (outcome === 'unconditional') throw refuse('UNAVAILABLE', 'the server knows conditions no more')
  }
  throw refuse('UNAVAILABLE', 'writers get into each other’s way')
}

/** A bucket, and where in it the plug-in keeps what is its own. */
interface Bucket {
  readonly requests: Requests
  readonly own: string
}

function pageOf(page: Awaited<ReturnType<Requests['list']>>, prefix: string): Page<ArchiveObject> {
  const items = page.items
    .map((item) => ({ ...item, key: item.key.slice(prefix.length) }))
    .filter(({ key }) => archiveKeyFault(key) === undefined)
  return { items, ...(page.last !== undefined && { next: page.last.slice(prefix.length) }) }
}

async function probe(bucket: Bucket, call: Call): Promise<ArchiveReport> {
  const { requests, own } = bucket
  checkTime(call)
  if (!(await requests.head(`${own}identity`, call))) {
    const body = Buffer.from(`${randomUUID()}\n`)
    const outcome = await requests.put(`${own}identity`, body, { call, conditional: true })
    if (outcome === 'unconditional') await requests.put(`${own}identity`, body, { call, conditional: false })
  }
  const identity = await identityOf(bucket, call)
  const conditionalPut = await conditionsOf(bucket, call)
  const key = `${own}probe-${randomUUID()}`
  await requests.put(key, new Uint8Array(1), { call, conditional: false })
  const listed = await requests.list(key, undefined, call)
  await requests.remove(key, call)
  await sweepProbes(bucket, listed.items[0]?.writtenAt ?? 0, call)
  return { identity, conditionalPut, listing: listed.items.length === 1 ? 'strong' : 'eventual' }
}

/** Takes away what probes have left that were cut short, a day ago by the clock of the server. */
async function sweepProbes({ requests, own }: Bucket, now: number, call: Call): Promise<void> {
  const { items } = await requests.list(`${own}probe-`, undefined, call)
  for (const { key, writtenAt } of items) if (writtenAt < now - DAY_MS) await requests.remove(key, call)
}

/** Throws `UNAVAILABLE`, effect `none`, where the bucket is not there, or has not been made an archive below the prefix. */
async function identityOf({ requests, own }: Bucket, call: Call): Promise<string> {
  const text = await requests.get(`${own}identity`, undefined, call)
  if (!text) throw refuse('UNAVAILABLE', 'the bucket is no archive, or not below this prefix')
  return Buffer.from(text).toString('utf8').trim()
}

/** Finds out by a race of writers whether the server keeps the condition that nothing is there. */
async function conditionsOf(bucket: Bucket, call: Call): Promise<ArchiveReport['conditionalPut']> {
  const { requests, own } = bucket
  const key = `${own}probe-${randomUUID()}`
  const write = () => requests.put(key, new Uint8Array(1), { call, conditional: true })
  const outcomes = await Promise.all(Array.from({ length: WRITERS }, write))
  const last = await write()
  await requests.remove(key, call)
  return outcomes.filter((each) => each === 'stored').length === 1 && last === 'present' ? 'atomic' : 'none'
}

function refuse(code: 'INVALID' | 'LIMIT' | 'UNAVAILABLE', message: string): PluginError {
  return new PluginError(code, message, 'none')
}
