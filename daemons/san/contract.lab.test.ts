import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Exposure,
  type InventoryItem,
  PluginError,
  type Source,
  type StorageProvider,
  type VolumeSpec,
} from '@moorage/contract'
import { tgtClient } from '@moorage/tgt'
import { remoteStorage, wireClient } from '@moorage/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newCall, newHost, newId } from './initiator.ts'
import { SAN_LIMITS, startTestSan, type TestSan } from './testing.ts'

const MEBIBYTE = 1024 ** 2

let san: TestSan
let provider: StorageProvider

beforeAll(async () => {
  san = await startTestSan()
  provider = open({ owner: san.endpoint.owner })
})
afterAll(() => san.stop())

function open(options: {
  readonly owner: string
  readonly pool?: string
  readonly password?: string
}): StorageProvider {
  const { owner, pool = 'pool1', password = san.password } = options
  const can = ['snapshots', 'clones', 'resize', 'qos', 'revert', 'stats'] as const
  const remote = wireClient({ url: san.url, user: san.user, password })
  return remoteStorage({ remote, limits: SAN_LIMITS, can, context: { pool, owner } })
}

function newSpec(options: Partial<VolumeSpec> = {}): VolumeSpec {
  return { id: newId<'volume'>(), bytes: 16 * MEBIBYTE, qos: {}, settings: {}, ...options }
}

function exposureOf(source: Source): Exposure {
  return { source, consumer: newHost(), mode: source.kind === 'volume' ? 'rw' : 'ro', account: 'tenant' }
}

async function everything(of: StorageProvider = provider): Promise<readonly InventoryItem[]> {
  const items: InventoryItem[] = []
  let cursor: string | undefined
  do {
    const page = await of.inventory.list(cursor, newCall())
    items.push(...page.items)
    cursor = page.next
  } while (cursor !== undefined)
  return items
}

/** What a call was refused with; fails when it was not, or when it may have changed something. */
async function refusal(attempt: Promise<unknown> | undefined): Promise<string> {
  try {
    await attempt
  } catch (error) {
    if (!(error instanceof PluginError)) throw error
    expect(error).toMatchObject({ effect: 'none' })
    return error.code
  }
  return 'accepted'
}

test('without the right password every method is refused, before anything is looked at', async () => {
  const stranger = open({ owner: 'x', password: 'wrong' })
  expect(await refusal(stranger.pools.report(newCall()))).toBe('DENIED')
  expect(await refusal(stranger.volumes.create(newSpec(), newCall()))).toBe('DENIED')
  const anonymous = await fetch(`${san.url}/v1/volumes/create`, { method: 'POST', body: '{}' })
  expect(anonymous.status).toBe(401)
})

test('a pool that is not there is not found', async () => {
  expect(await refusal(open({ owner: 'x', pool: 'pool2' }).pools.report(newCall()))).toBe('NOT_FOUND')
})

test('the pool reports its identity, space and operations', async () => {
  const report = await provider.pools.report(newCall())
  expect(report).toMatchObject({ identity: expect.stringMatching(/^linux-san:/) as string, iops: 10_000 }) // A matcher stands for it.
  expect(report.totalBytes).toBeGreaterThan(60 * 1024 ** 3)
  expect(report.usedBytes).toBeLessThan(2 * 1024 ** 3)
})

test('a volume asked for again is the same, asked for differently it is a conflict', async () => {
  const spec = newSpec()
  const made = await provider.volumes.create(spec, newCall())
  expect(await provider.volumes.create(spec, newCall())).toEqual(made)
  expect(await refusal(provider.volumes.create({ ...spec, bytes: 32 * MEBIBYTE }, newCall()))).toBe('CONFLICT')
  const from: Source = { kind: 'volume', id: spec.id }
  expect(await refusal(provider.clones?.clone(from, spec, newCall()))).toBe('CONFLICT')
  await provider.resize?.grow(spec.id, 64 * MEBIBYTE, newCall())
  expect(await provider.volumes.create(spec, newCall())).toMatchObject({ bytes: 64 * MEBIBYTE })
  await provider.volumes.delete(spec.id, newCall())
  await provider.volumes.delete(spec.id, newCall())
})

test('sizes are rounded up to the granularity and kept within limits', async () => {
  const odd = newSpec({ bytes: MEBIBYTE + 1 })
  expect(await provider.volumes.create(odd, newCall())).toMatchObject({ bytes: 2 * MEBIBYTE })
  await provider.volumes.delete(odd.id, newCall())
  const huge = newSpec({ bytes: 32 * 1024 ** 4 })
  expect(await refusal(provider.volumes.create(huge, newCall()))).toBe('LIMIT')
  const beyond = newSpec({ bytes: 1024 ** 4 })
  expect(await refusal(provider.volumes.create(beyond, newCall()))).toBe('NO_SPACE')
  expect(await refusal(provider.volumes.create(newSpec({ bytes: 0 }), newCall()))).toBe('INVALID')
})

test('a call with a lower fence than one before changes nothing, also after the object is gone', async () => {
  const spec = newSpec()
  const source: Source = { kind: 'volume', id: spec.id }
  const exposure = exposureOf(source)
  const late = newCall()
  await provider.volumes.create(spec, newCall())
  await provider.access.expose(exposure, newCall())
  await provider.access.withdraw(exposure, newCall())
  expect(await refusal(provider.access.expose(exposure, late))).toBe('FENCED')
  expect(await refusal(provider.access.withdraw(exposure, late))).toBe('FENCED')
  expect(await refusal(provider.qos?.apply(spec.id, { totalIops: { max: 100 } }, late))).toBe('FENCED')
  expect(await refusal(provider.volumes.delete(spec.id, late))).toBe('FENCED')
  await provider.volumes.delete(spec.id, newCall())
  expect(await refusal(provider.volumes.create(spec, late))).toBe('FENCED')
  const never = newSpec()
  const early = newCall()
  await provider.volumes.delete(never.id, newCall())
  expect(await refusal(provider.volumes.create(never, early))).toBe('FENCED')
  const gone = { id: newId<'snapshot'>(), volume: never.id }
  await provider.snapshots?.delete(gone.id, newCall())
  expect(await refusal(provider.snapshots?.create(gone, early))).toBe('FENCED')
})

test('access asked for again is the same connection, with another mode a conflict', async () => {
  const spec = newSpec()
  await provider.volumes.create(spec, newCall())
  const exposure = exposureOf({ kind: 'volume', id: spec.id })
  const connection = await provider.access.expose(exposure, newCall())
  expect(await provider.access.expose(exposure, newCall())).toEqual(connection)
  expect(await refusal(provider.access.expose({ ...exposure, mode: 'ro' }, newCall()))).toBe('CONFLICT')
  expect(await refusal(provider.access.expose({ ...exposure, account: 'other' }, newCall()))).toBe('CONFLICT')
  expect(await refusal(provider.volumes.delete(spec.id, newCall()))).toBe('IN_USE')
  await provider.access.withdraw(exposure, newCall())
  await provider.access.withdraw(exposure, newCall())
  await provider.volumes.delete(spec.id, newCall())
})

test('what is not there is not found, and what makes no sense is invalid', async () => {
  const id = newId<'volume'>()
  const exposure = exposureOf({ kind: 'volume', id })
  expect(await refusal(provider.access.expose(exposure, newCall()))).toBe('NOT_FOUND')
  expect(await refusal(provider.resize?.grow(id, MEBIBYTE, newCall()))).toBe('NOT_FOUND')
  expect(await refusal(provider.qos?.read(id, newCall()))).toBe('NOT_FOUND')
  expect(await refusal(provider.stats?.read(id, newCall()))).toBe('NOT_FOUND')
  expect(await refusal(provider.snapshots?.create({ id: newId<'snapshot'>(), volume: id }, newCall()))).toBe(
    'NOT_FOUND',
  )
  const strange = { ...exposure, consumer: { ...exposure.consumer, initiator: 'iqn.2026-01.x:a\nACL information:' } }
  expect(await refusal(provider.access.expose(strange, newCall()))).toBe('INVALID')
  const snapshot = exposureOf({ kind: 'snapshot', id: newId<'snapshot'>() })
  expect(await refusal(provider.access.expose({ ...snapshot, mode: 'rw' }, newCall()))).toBe('INVALID')
})

test('many calls for one object at once are one object', async () => {
  const spec = newSpec()
  const call = newCall()
  const made = await Promise.all(Array.from({ length: 8 }, () => provider.volumes.create(spec, call)))
  expect(new Set(made.map((each) => JSON.stringify(each))).size).toBe(1)
  const exposure = exposureOf({ kind: 'volume', id: spec.id })
  const given = await Promise.all(Array.from({ length: 8 }, () => provider.access.expose(exposure, newCall())))
  expect(new Set(given.map((each) => JSON.stringify(each))).size).toBe(1)
  await Promise.all(Array.from({ length: 8 }, () => provider.access.withdraw(exposure, newCall({ fence: 1_000_000 }))))
  await Promise.all(Array.from({ length: 8 }, () => provider.volumes.delete(spec.id, newCall({ fence: 1_000_000 }))))
  expect(await everything()).toEqual([])
})

test('an installation sees what belongs to another as foreign and cannot touch it', async () => {
  const other = open({ owner: newId<'volume'>() })
  const spec = newSpec()
  await provider.volumes.create(spec, newCall())
  await provider.access.expose(exposureOf({ kind: 'volume', id: spec.id }), newCall())
  expect((await everything(other)).map(({ kind, owner }) => `${kind} ${owner}`)).toEqual([
    'exposure foreign',
    'volume foreign',
  ])
  expect(await other.volumes.get(spec.id, newCall())).toBeUndefined()
  expect(await refusal(other.volumes.delete(spec.id, newCall()))).toBe('DENIED')
  expect(await refusal(other.volumes.create(spec, newCall()))).toBe('DENIED')
  expect(await refusal(other.access.expose(exposureOf({ kind: 'volume', id: spec.id }), newCall()))).toBe('DENIED')
  const ours = (await everything()).find(({ kind }) => kind === 'exposure')
  if (ours?.kind === 'exposure' && ours.owner === 'ours') {
    const consumer = { kind: 'host', id: ours.consumer, initiator: 'iqn.2026-01.x:any' } as const
    await provider.access.withdraw({ source: ours.source, consumer }, newCall())
  }
  await provider.volumes.delete(spec.id, newCall())
  expect(await everything()).toEqual([])
})

test('the inventory shows what is there, not what is remembered', async () => {
  const spec = newSpec()
  const exposure = exposureOf({ kind: 'volume', id: spec.id })
  const snapshot = newId<'snapshot'>()
  await provider.volumes.create(spec, newCall())
  await provider.snapshots?.create({ id: snapshot, volume: spec.id }, newCall())
  await provider.access.expose(exposure, newCall())
  const tgt = tgtClient({ path: join(san.data, 'tgtd.1'), timeoutMs: 5000 })
  await tgt.createTarget({ tid: 4711, iqn: 'iqn.2026-01.elsewhere:planted' })
  await writeFile(join(san.data, 'pool', 'stray.img'), 'x')
  const orphan = newId<'volume'>()
  await mkdir(join(san.data, 'pool', san.endpoint.owner, 'volumes'), { recursive: true })
  await writeFile(join(san.data, 'pool', san.endpoint.owner, 'volumes', `${orphan}.raw`), '')
  const seen = await everything()
  expect(seen).toContainEqual(
    expect.objectContaining({ kind: 'volume', owner: 'ours', id: spec.id, bytes: spec.bytes }),
  )
  expect(seen).toContainEqual(
    expect.objectContaining({ kind: 'snapshot', owner: 'ours', id: snapshot, volume: spec.id }),
  )
  const { source, consumer } = exposure
  expect(seen).toContainEqual(
    expect.objectContaining({ kind: 'exposure', owner: 'ours', source, consumer: consumer.id }),
  )
  const planted = { kind: 'structure', owner: 'foreign', name: 'iqn.2026-01.elsewhere:planted' }
  expect(seen).toContainEqual(expect.objectContaining(planted))
  expect(seen).toContainEqual(expect.objectContaining({ kind: 'volume', owner: 'foreign', name: 'stray.img' }))
  expect(seen).toContainEqual(expect.objectContaining({ kind: 'volume', owner: 'ours', id: orphan }))
  expect(seen).toHaveLength(6)
  // Taken away behind our back: what is no longer there is no longer listed, whatever is remembered.
  const [tid = 0] = [...(await tgt.targetNames())].find(([, iqn]) => iqn.endsWith(`volume-${spec.id}`)) ?? []
  await tgt.denyInitiator(tid, consumer.initiator)
  const later = await everything()
  expect(later.filter(({ kind }) => kind === 'exposure')).toEqual([])
  expect(later).toContainEqual(expect.objectContaining({ kind: 'structure', owner: 'ours' }))
  await tgt.deleteTarget(4711)
  await rm(join(san.data, 'pool', 'stray.img'))
  await provider.volumes.delete(orphan, newCall())
  await provider.access.withdraw(exposure, newCall())
  await provider.volumes.delete(spec.id, newCall())
  await provider.snapshots?.delete(snapshot, newCall())
  expect(await everything()).toEqual([])
})

test('a long inventory comes in pages that miss and repeat nothing', async () => {
  const folder = join(san.data, 'pool', 'many')
  await mkdir(folder)
  await Promise.all(Array.from({ length: 1201 }, (_, index) => writeFile(join(folder, String(index)), '')))
  const first = await provider.inventory.list(undefined, newCall())
  expect(first.items.length).toBeLessThan(1201)
  const names = (await everything()).map(({ name }) => name)
  expect(new Set(names).size).toBe(1201)
  expect(names).toHaveLength(1201)
  await rm(folder, { recursive: true })
})
