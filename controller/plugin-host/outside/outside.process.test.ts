import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Call, StorageProvider, VolumeId } from '@moorage/contract'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createPluginHost } from '../create.ts'
import { loadOutside, type OutsidePlugin } from './load.ts'
import { readPluginSpec } from './spec.ts'

const id = 'a1b2c3d4-0000-4000-8000-000000000000' as VolumeId // Stands for an id of ours.
const SECRET = 'the-secret-of-the-array'
const MISBEHAVING = join(import.meta.dirname, 'testing/misbehaving.ts')
/** So that a blocked plug-in is found out in two seconds. */
const TIMING = { pingMs: 200, backoffMs: 10, longestBackoffMs: 500 }

function call(ms = 60_000, signal = new AbortController().signal): Call {
  return { key: 'operation/step', fence: 7, deadline: Date.now() + ms, signal }
}

const lines: string[] = []
const tell = (fields: object, message: string) => void lines.push(JSON.stringify({ ...fields, message }))
const log = { info: tell, warn: tell }

let outside: OutsidePlugin
beforeAll(async () => {
  process.env['MOORAGE_TEST_SECRET'] = SECRET
  outside = await load(MISBEHAVING)
})
afterAll(async () => {
  delete process.env['MOORAGE_TEST_SECRET']
  await outside.close()
})
afterEach(() => lines.splice(0))

async function load(text: string): Promise<OutsidePlugin> {
  return loadOutside(readPluginSpec(text), { log, timing: TIMING })
}

/** A pool of the misbehaving plug-in, guarded as a controller guards it. */
async function pool(way: string, from: OutsidePlugin = outside): Promise<StorageProvider> {
  const { plugin } = from
  if (plugin.kind !== 'storage') throw new Error('it is a storage plug-in')
  const registration = { id: way, plugin: 'odd', url: `odd://${way}`, settings: { password: SECRET }, version: '1' }
  const load = { pool: async () => registration, host: async () => registration }
  const host = createPluginHost({ storage: [plugin], hypervisors: [], owner: 'installation', load })
  return (await host.openPool(registration)).provider(() => {})
}

/** The same pool serves again: opened anew in the process that was started after the one that ended. */
async function servesAgain(provider: StorageProvider): Promise<void> {
  await expect
    .poll(async () => provider.pools.report(call()).then(({ identity }) => identity, String), { timeout: 30_000 })
    .not.toContain('Error')
}

describe('a plug-in in a process of its own', () => {
  test('answers as it would inside, members of classes, absent arguments and absent answers included', async () => {
    const provider = await pool('well')
    await expect(provider.volumes.get(id, call())).resolves.toEqual({ id, name: 'lun', bytes: 10, usedBytes: 0 })
    await expect(provider.inventory.list(undefined, call())).resolves.toMatchObject({ next: 'absent' })
    await expect(provider.inventory.list('here', call())).resolves.toMatchObject({ next: 'there' })
    const taken = provider.snapshots?.create({ id: id as never, volume: id }, call()) // Ids of all kinds are texts.
    await expect(taken).resolves.toMatchObject({ takenAt: 7 })
    const absent = provider.snapshots?.get(id as never, call()) // Likewise.
    await expect(absent).resolves.toBeUndefined()
    expect(provider.limits.maxVolumeBytes).toBe(100)
    expect(provider.clones).toBeUndefined()
  })

  test('hears that its caller has given up', async () => {
    const { plugin } = outside
    const bound = await plugin.open({ url: 'odd://waits-for-cancel', settings: {}, owner: 'installation' })
    if (!('volumes' in bound)) throw new Error('it is a storage provider')
    const giveUp = new AbortController()
    const pending = bound.volumes.get(id, call(60_000, giveUp.signal))
    await expect.poll(() => lines.join('\n')).toContain('the plug-in waits')
    giveUp.abort()
    await expect(pending).rejects.toMatchObject({ code: 'BUSY', message: 'was told to give up', effect: 'none' })
  })

  test('is refused what it was not given: files, programs, and the environment of the controller', async () => {
    const seen = await (await pool('looks-around')).volumes.get(id, call())
    const { env, argv, ...outcomes } = JSON.parse(seen?.name ?? '{}') as Record<string, object> // Made above.
    expect(outcomes).toEqual({ read: 'ERR_ACCESS_DENIED', write: 'ERR_ACCESS_DENIED', run: 'ERR_ACCESS_DENIED' })
    expect(JSON.stringify([env, argv])).not.toContain(SECRET)
  })

  test('keeps code, message and effect of its failures, and neither causes nor secrets', async () => {
    const failed = (await pool('tells-secrets')).volumes.get(id, call())
    await expect(failed).rejects.toMatchObject({ code: 'BUSY', effect: 'none', message: 'busy, says [redacted]' })
    await expect(failed).rejects.not.toHaveProperty('cause')
    await expect.poll(() => lines.join('\n')).toContain('password is [redacted]')
    await expect(pool('no-way')).rejects.toMatchObject({ code: 'INVALID', effect: 'none', message: /^url:/ })
  })
})

describe('a plug-in that', () => {
  const UNEXPECTED = { code: 'INTERNAL', effect: 'possible' }
  test.each([
    ['throws what is no PluginError', 'throws', /TypeError: x is undefined/],
    ['answers about another object', 'is-another', /about another/],
    ['answers with numbers that are none', 'is-nan', /plain data/],
    ['answers with what is no plain data', 'is-date', /plain data/],
  ])('%s has failed, its effect possible, and goes on', async (_what, way, message) => {
    const before = outside.pid()
    await expect((await pool(way)).volumes.get(id, call())).rejects.toMatchObject({ ...UNEXPECTED, message })
    expect(outside.pid()).toBe(before)
  })

  const GONE = { code: 'UNAVAILABLE', effect: 'possible' }
  test.each([
    ['exits', 'exits', /exit code 7/],
    ['throws where nobody catches it', 'throws-outside', /exit code 1/],
    ['blocks its event loop', 'blocks', /did not answer 10 pings/],
    ['answers what nobody asked', 'answers-others', /nobody had asked for/],
    ['floods the controller', 'floods', /nobody had asked for/],
    ['writes garbage to the controller', 'writes-garbage', /a message of \d+ bytes/],
  ])('%s loses its calls and its process, and another one serves the same pools', async (_what, way, message) => {
    const provider = await pool(way)
    const other = await pool('never-answers')
    const [one, two] = await Promise.allSettled([provider.volumes.get(id, call()), other.volumes.get(id, call())])
    expect(one).toMatchObject({ reason: { ...GONE, message: expect.stringMatching(message) as string } }) // A matcher.
    expect(two).toMatchObject({ reason: GONE })
    await servesAgain(provider)
    await servesAgain(other)
  })

  test.each([
    ['objects', 'leaks-objects'],
    ['buffers', 'leaks-buffers'],
  ])('leaks %s is ended at its limit of memory, and another process serves the same pool', async (_what, way) => {
    const small = await load(`${MISBEHAVING},memory=32`)
    try {
      const provider = await pool(way, small)
      await expect(provider.volumes.get(id, call())).rejects.toMatchObject(GONE)
      await servesAgain(provider)
    } finally {
      await small.close()
    }
  })

  test('answers in a form that is none has failed, its effect possible', async () => {
    const fresh = await load(MISBEHAVING)
    try {
      // The first call of a process is its second request, after the opening: that is what the plug-in forges.
      const forged = (await pool('answers-badly', fresh)).volumes.get(id, call())
      await expect(forged).rejects.toMatchObject({ ...UNEXPECTED, message: /no answer/ })
    } finally {
      await fresh.close()
    }
  })

  test('never answers holds its callers until their deadlines and nobody else', async () => {
    const late = (await pool('never-answers')).volumes.get(id, call(50))
    await expect(late).rejects.toMatchObject({ code: 'TIMEOUT', effect: 'possible' })
    await expect((await pool('well')).volumes.get(id, call())).resolves.toMatchObject({ id })
  })

  test('prints without end finds its lines in the log, as many as a log can bear', async () => {
    await expect((await pool('prints')).volumes.get(id, call())).resolves.toMatchObject({ id })
    await expect.poll(() => lines.join('\n'), { timeout: 20_000 }).toContain('lines left out')
    expect(lines.length).toBeLessThan(2_000)
  })

  test('is blocked keeps calls of other plug-ins waiting for nothing', async () => {
    const other = await load(MISBEHAVING)
    try {
      const blocked = (await pool('blocks')).volumes.get(id, call())
      const order: string[] = []
      const ended = blocked.catch(() => order.push('blocked'))
      for (let each = 0; each < 20; each += 1) await (await pool('well', other)).volumes.get(id, call())
      order.push('others')
      await ended
      expect(order).toEqual(['others', 'blocked'])
      await expect.poll(() => outside.pid(), { timeout: 30_000 }).toBeDefined()
    } finally {
      await other.close()
    }
  })

  test('is not running is unavailable, and what was never sent had no effect', async () => {
    const provider = await pool('well')
    const pid = outside.pid()
    if (pid === undefined) throw new Error('it runs')
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => outside.pid()).not.toBe(pid)
    const outcome = await provider.volumes.get(id, call()).catch((error: unknown) => error)
    expect(outcome).toMatchObject(outcome instanceof Error ? { code: 'UNAVAILABLE', effect: 'none' } : { id })
    await servesAgain(provider)
  })
})

describe('what is no plug-in of this contract is refused by its path', () => {
  let dir: string
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'moorage-plugins-'))
  })
  afterAll(() => rmSync(dir, { recursive: true }))

  test.each([
    ['what is not there', undefined, /ENOENT/],
    ['a module without plugin', 'export const other = 1', /exports no object called plugin/],
    ['a plug-in of no kind', 'export const plugin = { kind: "archive" }', /neither of kind/],
    ['a plug-in without open', 'export const plugin = { kind: "storage" }', /no function open/],
    [
      'one of another contract',
      'export const plugin = { kind: "storage", contract: 2, open() {} }',
      /contract 2.*speaks 1/,
    ],
    ['one that says too little', 'export const plugin = { kind: "storage", contract: 1, open() {} }', /no valid name/],
    ['a module that throws', 'throw new Error("not today")', /not today/],
    ['a module that ends its process', 'process.exit(3)', /exit code 3/],
    ['a module that is no JavaScript', 'export plugin', /Unexpected|Expected/],
  ])('%s', async (what, text, message) => {
    const path = join(dir, `${what.replaceAll(' ', '-')}.mjs`)
    if (text !== undefined) writeFileSync(path, text)
    const loading = load(path)
    await expect(loading).rejects.toThrow(message)
    await expect(loading).rejects.toThrow(`--plugin ${path}: `)
  })
})
