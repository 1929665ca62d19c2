import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type BackendVolume,
  type Call,
  type Connection,
  type InventoryItem,
  type Page,
  PluginError,
} from '@moorage/contract'
import { wireClient } from '@moorage/wire'
import { startSimulator, type TestSimulator } from './testing.ts'

const MIB = 1024 * 1024

let simulator: TestSimulator
let array: string
let fence: number

beforeAll(async () => {
  simulator = await startSimulator()
})
afterAll(() => simulator.stop())
beforeEach(() => {
  array = `array-${randomUUID()}`
  fence = 0
})

describe('the daemon', () => {
  test('keeps its state and what it holds of secrets from others', () => {
    for (const name of ['state.db', 'ready.json']) {
      expect(`${name} ${statSync(path.join(simulator.folder, 'data', name)).mode & 0o077}`).toBe(`${name} 0`)
    }
  })

  test('refuses a caller without its credentials', async () => {
    const client = wireClient({ url: simulator.url, user: simulator.user, password: 'wrong' })
    await expect(client('calls/list', {}, newCall())).rejects.toMatchObject({ code: 'DENIED', effect: 'none' })
  })

  test('refuses to start on a folder that another one serves, and on credentials that others may read', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'moorage-simulator-test-'))
    const file = path.join(folder, 'credentials.json')
    writeFileSync(file, JSON.stringify({ user: 'u', password: 'p' }), { mode: 0o600 })
    const served = await run([
      '--data',
      path.join(simulator.folder, 'data'),
      '--listen',
      '127.0.0.1:0',
      '--credentials',
      file,
    ])
    expect(served.code).toBe(1)
    expect(served.log).toContain('database is locked')
    writeFileSync(`${file}.open`, JSON.stringify({ user: 'u', password: 'p' }), { mode: 0o644 })
    const open = await run([
      '--data',
      path.join(folder, 'data'),
      '--listen',
      '127.0.0.1:0',
      '--credentials',
      `${file}.open`,
    ])
    expect(open.code).toBe(1)
    expect(open.log).toContain('set mode 0600')
    rmSync(folder, { recursive: true })
    expect(readFileSync(path.join(simulator.folder, 'data', 'ready.json'), 'utf8')).toContain(`${simulator.pid}`)
  })

  test('goes on after a SIGKILL with every object, byte, session, machine and fence', async () => {
    const own = await startSimulator()
    const send = sender(own)
    const made = await createVolume(send)
    const connection = await expose(send, made.id, 'h1')
    const vm = randomUUID()
    await send('host/vms/start', {
      spec: { id: vm, name: 'v', cpus: 1, memoryBytes: MIB, disks: [diskOf(made.id, connection)] },
    })
    const data = createHash('sha512').update('pattern').digest()
    const at = { host: 'h1', vm, volume: made.id, offset: 65_530 }
    await own.send('io/write', { ...at, data: data.toString('base64') })
    await own.kill()
    await own.restart()
    expect(await own.send('io/read', { ...at, length: data.length })).toEqual({ data: data.toString('base64') })
    const listed = await send<Page<InventoryItem>>('array/inventory/list', {})
    expect(listed.items.map(({ kind }) => kind)).toEqual(['volume', 'exposure'])
    await expect(send('array/volumes/delete', { id: made.id }, { fence: 0 })).rejects.toMatchObject({ code: 'FENCED' })
    await own.stop()
  })
})

describe('a fault on command', () => {
  test.each([
    ['error-before', { code: 'UNAVAILABLE', effect: 'none' }, false],
    ['error-after', { code: 'UNAVAILABLE', effect: 'possible' }, true],
    ['lose-answer', { code: 'UNAVAILABLE', effect: 'possible' }, true],
    ['stall', { code: 'TIMEOUT', effect: 'possible' }, false],
    ['timeout-after-effect', { code: 'TIMEOUT', effect: 'possible' }, true],
  ] as const)('%s is seen as %o, and the volume is there: %s', async (kind, failure, there) => {
    const send = sender(simulator)
    const id = randomUUID()
    await simulator.faults.arm({ method: 'array/volumes/create', kind, match: { spec: { id } } })
    // Only what is to run out of time gets little of it.
    await expect(createVolume(send, id, failure.code === 'TIMEOUT' ? 300 : 10_000)).rejects.toMatchObject(failure)
    expect((await send<BackendVolume | undefined>('array/volumes/get', { id })) !== undefined).toBe(there)
    expect((await createVolume(send, id)).id).toBe(id)
  })

  test('lie answers as if it were done and does nothing', async () => {
    const send = sender(simulator)
    const id = randomUUID()
    await simulator.faults.arm({ method: 'array/volumes/*', kind: 'lie' })
    expect((await createVolume(send, id)).id).toBe(id)
    expect(await send('array/volumes/get', { id })).toBeUndefined()
  })

  test('strikes as often as it was asked to, and only what it matches', async () => {
    const send = sender(simulator)
    await simulator.faults.arm({ method: 'array/*', kind: 'error-before', code: 'BUSY', count: 2, match: { array } })
    await sender(simulator, `other-${array}`)('array/pools/report', {})
    for (let times = 0; times < 2; times++) {
      await expect(send('array/pools/report', {})).rejects.toMatchObject({ code: 'BUSY', effect: 'none' })
    }
    await send('array/pools/report', {})
    expect((await simulator.faults.list()).armed).toEqual([])
  })

  test('hold-before keeps a call inside past its deadline, and the fence refuses what wakes up late', async () => {
    const send = sender(simulator)
    const made = await createVolume(send)
    await simulator.faults.arm({ method: 'array/qos/apply', kind: 'hold-before' })
    const qos = { totalIops: { max: 100 } }
    const late = send('array/qos/apply', { id: made.id, qos }, { fence, withinMs: 100 })
    const held = await simulator.faults.held('array/qos/apply')
    expect(held.phase).toBe('before')
    await expect(late).rejects.toMatchObject({ code: 'TIMEOUT', effect: 'possible' })
    const newer = { totalIops: { max: 200 } }
    await send('array/qos/apply', { id: made.id, qos: newer }, { fence: fence + 5 })
    expect(await simulator.faults.release(held.id)).toBe(1)
    await expect.poll(() => outcomes('array/qos/apply', made.id)).toEqual(['FENCED', 'ok'])
    expect(await send('array/qos/read', { id: made.id })).toEqual(newer)
  })

  test('hold-after lets others see the effect before the caller does', async () => {
    const send = sender(simulator)
    await simulator.faults.arm({ method: 'array/volumes/create', kind: 'hold-after' })
    const id = randomUUID()
    const answer = createVolume(send, id)
    await simulator.faults.held('array/volumes/create')
    expect((await send<BackendVolume>('array/volumes/get', { id })).id).toBe(id)
    await simulator.faults.clear()
    expect((await answer).id).toBe(id)
  })

  test('an unknown kind or code is refused by name', async () => {
    const error = await refusal(simulator.send('faults/arm', { method: '*', kind: 'fire' }))
    expect(error.code).toBe('INVALID')
    expect(error.message).toContain('kind must be one of error-before')
  })
})

describe('the array', () => {
  test('an operator at its console changes QoS behind the back of fences', async () => {
    const send = sender(simulator)
    const made = await createVolume(send)
    await simulator.send('console/set-qos', { array, volume: made.id, qos: { totalIops: { max: 77 } } })
    expect(await send('array/qos/read', { id: made.id })).toEqual({ totalIops: { max: 77 } })
  })

  test('an operator at its console takes a volume away under its users, whose sessions end', async () => {
    const send = sender(simulator)
    const made = await createVolume(send)
    const connection = await expose(send, made.id, 'h2')
    const { session } = await simulator.send<{ session: string }>('io/session', { connection })
    await simulator.send('console/delete', { array, kind: 'volume', id: made.id })
    const read = simulator.send('io/session-read', { session, offset: 0, length: 512 })
    await expect(read).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(await send('array/inventory/list', {})).toEqual({ items: [] })
  })

  test('limits that were defined are kept: volumes, snapshots, sizes, capacity', async () => {
    const send = sender(simulator)
    const limits = { maxVolumes: 2, maxSnapshotsPerVolume: 1, maxVolumeBytes: 4 * MIB }
    await simulator.send('arrays/define', { array, totalBytes: 5 * MIB, iops: 1000, limits })
    expect(await send('array/pools/report', {})).toMatchObject({ totalBytes: 5 * MIB, usedBytes: 0, iops: 1000 })
    const made = await createVolume(send)
    await expect(send('array/resize/grow', { id: made.id, bytes: 5 * MIB })).rejects.toMatchObject({ code: 'LIMIT' })
    await send('array/resize/grow', { id: made.id, bytes: 4 * MIB })
    const large = { id: randomUUID(), bytes: 2 * MIB, qos: {}, settings: {} }
    await expect(send('array/volumes/create', { spec: large })).rejects.toMatchObject({ code: 'NO_SPACE' })
    await createVolume(send)
    await expect(createVolume(send)).rejects.toMatchObject({ code: 'LIMIT' })
    await send('array/snapshots/create', { spec: { id: randomUUID(), volume: made.id } })
    const second = send('array/snapshots/create', { spec: { id: randomUUID(), volume: made.id } })
    await expect(second).rejects.toMatchObject({ code: 'LIMIT' })
    await send('array/volumes/delete', { id: made.id })
    expect(await send('array/pools/report', {})).toMatchObject({ usedBytes: MIB })
  })

  test('bad arguments are refused by the name of what is wrong', async () => {
    const send = sender(simulator)
    const spec = { id: randomUUID(), bytes: MIB, qos: {}, settings: {} }
    const tries: readonly (readonly [object, string])[] = [
      [{ ...spec, id: 'x' }, 'spec.id'],
      [{ ...spec, bytes: 1.5 }, 'spec.bytes'],
      [{ ...spec, qos: { speed: {} } }, 'spec.qos.speed'],
      [{ ...spec, qos: { totalIops: { max: -1 } } }, 'spec.qos.totalIops.max'],
      [{ ...spec, settings: { colour: 'red' } }, 'spec.settings.colour'],
    ]
    for (const [wrong, name] of tries) {
      const error = await refusal(send('array/volumes/create', { spec: wrong }))
      expect([error.code, error.effect]).toEqual(['INVALID', 'none'])
      expect(error.message).toContain(name)
    }
  })
})

describe('a guest', () => {
  test('is paused when its access is withdrawn, and goes on when it is given again', async () => {
    const send = sender(simulator)
    const made = await createVolume(send)
    const connection = await expose(send, made.id, 'h3')
    const host = sender(simulator, array, 'h3')
    const vm = randomUUID()
    const spec = { id: vm, name: 'v', cpus: 1, memoryBytes: MIB, disks: [diskOf(made.id, connection)] }
    await host('host/vms/start', { spec })
    const write = () => simulator.send('io/write', { host: 'h3', vm, volume: made.id, offset: 0, data: 'AAAA' })
    await write()
    await send('array/access/withdraw', { access: { source: volume(made.id), consumer: consumerOf('h3') } })
    await expect(write()).rejects.toMatchObject({ code: 'DENIED' })
    expect(await host('host/vms/get', { id: vm })).toMatchObject({ state: 'paused' })
    await expose(send, made.id, 'h3')
    await write()
    expect(await host('host/vms/get', { id: vm })).toMatchObject({ state: 'running' })
    await host('host/vms/stop', { id: vm, force: true })
  })

  test('holds its writes while it is frozen', async () => {
    const send = sender(simulator)
    const made = await createVolume(send)
    const connection = await expose(send, made.id, 'h4')
    const host = sender(simulator, array, 'h4')
    const vm = randomUUID()
    const spec = { id: vm, name: 'v', cpus: 1, memoryBytes: MIB, disks: [diskOf(made.id, connection)] }
    await host('host/vms/start', { spec })
    const write = () => simulator.send('io/write', { host: 'h4', vm, volume: made.id, offset: 0, data: 'AAAA' })
    await host('host/quiesce/freeze', { vm, withinMs: 60_000 })
    await expect(write()).rejects.toMatchObject({ code: 'BUSY', effect: 'none' })
    expect(await host('host/quiesce/thaw', { vm })).toMatchObject({ held: true })
    await write()
  })
})

test('every call is counted with its key, fence, object and outcome, and without its arguments', async () => {
  const send = sender(simulator)
  const made = await createVolume(send)
  await expect(send('array/volumes/delete', { id: made.id }, { fence: 0 })).rejects.toMatchObject({ code: 'FENCED' })
  const { items, counts } = await simulator.calls({ object: made.id })
  expect(items.map(({ method, outcome, fence: seen }) => [method, outcome, seen])).toEqual([
    ['array/volumes/create', 'ok', 1],
    ['array/volumes/delete', 'FENCED', 0],
  ])
  expect(counts['array/volumes/create']).toBeGreaterThan(0)
})

type Send = <Result>(
  method: string,
  args: object,
  options?: { readonly fence?: number; readonly withinMs?: number },
) => Promise<Result>

function sender(to: TestSimulator, name: string = array, host = 'h1'): Send {
  return (method, args, options = {}) => {
    const client = wireClient({ url: to.url, user: to.user, password: to.password })
    const context = method.startsWith('host/') ? { host, owner: 'tests' } : { array: name, owner: 'tests' }
    return client(method, { ...context, ...args }, newCall(options.fence ?? ++fence, options.withinMs))
  }
}

function createVolume(send: Send, id: string = randomUUID(), withinMs?: number): Promise<BackendVolume> {
  const spec = { id, bytes: MIB, qos: {}, settings: {} }
  return send('array/volumes/create', { spec }, withinMs === undefined ? {} : { withinMs })
}

function expose(send: Send, id: string, host: string): Promise<Connection> {
  const exposure = { source: volume(id), consumer: consumerOf(host), mode: 'rw', account: 'tests' }
  return send('array/access/expose', { exposure })
}

function volume(id: string) {
  return { kind: 'volume', id }
}

function consumerOf(host: string) {
  const hash = createHash('sha256').update(host).digest('hex')
  const id = [hash.slice(0, 8), hash.slice(8, 12), hash.slice(12, 16), hash.slice(16, 20), hash.slice(20, 32)].join('-')
  return { kind: 'host', id, initiator: `iqn.2025-01.test:${host}` }
}

function diskOf(id: string, connection: Connection) {
  return { volume: id, connection, generation: 1, deviceId: 1, serial: 's', mode: 'rw', throttle: {} }
}

function newCall(withFence = 0, withinMs = 10_000): Call {
  return { key: randomUUID(), fence: withFence, deadline: Date.now() + withinMs, signal: new AbortController().signal }
}

async function refusal(promise: Promise<unknown>): Promise<PluginError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof PluginError) return error
  throw new Error(`not refused with a PluginError: ${String(error)}`)
}

async function outcomes(method: string, object: string): Promise<readonly string[]> {
  return (await simulator.calls({ method, object })).items.map(({ outcome }) => outcome)
}

async function run(args: readonly string[]): Promise<{ readonly code: number | null; readonly log: string }> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'main.ts'), ...args])
  const log: Buffer[] = []
  child.stderr.on('data', (chunk: Buffer) => log.push(chunk))
  await once(child, 'close')
  return { code: child.exitCode, log: Buffer.concat(log).toString() }
}
