import {
  type Call,
  type Endpoint,
  PluginError,
  type StoragePlugin,
  type StorageProvider,
  type VolumeId,
} from '@moorage/contract'
import { beforeEach, describe, expect, test } from 'vitest'
import type { CallRecord } from '../jobs/saga.ts'
import { createPluginHost } from './create.ts'
import type { Registration } from './plugin-host.ts'

const id = 'a1b2c3d4-0000-4000-8000-000000000000' as VolumeId // Stands for an id of ours.

/** A provider of which each test changes what it wants to see: a plug-in gone wrong in one way. */
function provider(volumes: Partial<StorageProvider['volumes']>): StorageProvider {
  const made = { id, name: 'lun', bytes: 10, usedBytes: 0 }
  return Object.freeze({
    limits: { minVolumeBytes: 1, maxVolumeBytes: 100, granularityBytes: 1, cloneDependsOnParent: false },
    pools: Object.freeze({ report: async () => ({ identity: 'pool', totalBytes: 100, usedBytes: 0, version: '1' }) }),
    volumes: Object.freeze({
      create: async () => made,
      get: async () => undefined,
      delete: async () => {},
      ...volumes,
    }),
    access: { expose: async () => ({ via: 'nbd', uri: 'nbd://x', export: 'x' }) as const, withdraw: async () => {} },
    inventory: { list: async () => ({ items: [] }) },
    resize: { grow: async () => made },
  })
}

function plugin(open: (endpoint: Endpoint) => StorageProvider, more: Partial<StoragePlugin> = {}): StoragePlugin {
  return {
    kind: 'storage',
    name: 'test',
    title: 'Test',
    contract: 1,
    shape: 'dedicated',
    managed: 'always',
    schemes: ['test'],
    protocols: ['nbd'],
    settings: [],
    offeringSettings: [],
    open,
    ...more,
  }
}

const registration: Registration = {
  id: 'pool',
  plugin: 'test',
  url: 'test://x',
  settings: { user: 'u' },
  version: '1',
}
const options = { hypervisors: [], owner: 'installation' }

function call(ms = 1000, signal = new AbortController().signal): Call {
  return { key: 'operation/step', fence: 7, deadline: Date.now() + ms, signal }
}

let records: CallRecord[] = []
const log = (record: CallRecord) => void records.push(record)
beforeEach(() => {
  records = []
})

async function guarded(volumes: Partial<StorageProvider['volumes']>): Promise<StorageProvider> {
  const load = { pool: async () => registration, host: async () => registration }
  const host = createPluginHost({ ...options, load, storage: [plugin(() => provider(volumes))] })
  return (await host.openPool(registration)).provider(log)
}

const never = () => new Promise<never>(() => {})

describe('a guarded call', () => {
  test('answers what the plug-in answers, and leaves a record that names target, method, key and fence', async () => {
    await expect(
      (await guarded({})).volumes.create({ id, bytes: 10, qos: {}, settings: {} }, call()),
    ).resolves.toMatchObject({
      id,
    })
    expect(records).toEqual([
      expect.objectContaining({
        target: 'pool:pool',
        method: 'volumes.create',
        key: 'operation/step',
        fence: 7,
        outcome: 'ok',
      }),
    ])
  })

  test('ends by its deadline when the plug-in never settles, its effect possible', async () => {
    await expect((await guarded({ delete: never })).volumes.delete(id, call(20))).rejects.toMatchObject({
      code: 'TIMEOUT',
      effect: 'possible',
    })
    expect(records).toMatchObject([{ outcome: 'TIMEOUT', effect: 'possible' }])
  })

  test('ends when its caller gives up', async () => {
    const controller = new AbortController()
    const pending = (await guarded({ delete: never })).volumes.delete(id, call(60_000, controller.signal))
    controller.abort()
    await expect(pending).rejects.toMatchObject({ code: 'TIMEOUT', effect: 'possible' })
  })

  test('does not begin without time left', async () => {
    let begun = false
    const late = (await guarded({ delete: async () => void (begun = true) })).volumes.delete(id, call(-1))
    await expect(late).rejects.toMatchObject({ code: 'TIMEOUT', effect: 'none' })
    expect(begun).toBe(false)
  })

  test('reads whatever else is thrown, now or later, as a bug whose effect is possible', async () => {
    const throwsNow = () => {
      throw new TypeError('x is undefined')
    }
    for (const create of [throwsNow, async () => throwsNow()]) {
      await expect(
        (await guarded({ create })).volumes.create({ id, bytes: 10, qos: {}, settings: {} }, call()),
      ).rejects.toMatchObject({
        name: 'PluginError',
        code: 'INTERNAL',
        effect: 'possible',
      })
    }
  })

  test('passes a failure of the contract on as it is', async () => {
    const failure = new PluginError('NO_SPACE', 'full', 'none')
    const full = await guarded({ create: () => Promise.reject(failure) })
    await expect(full.volumes.create({ id, bytes: 10, qos: {}, settings: {} }, call())).rejects.toBe(failure)
  })

  test('does not believe an answer about another object, or numbers that are none', async () => {
    const answers = [
      { id: 'other', name: 'lun', bytes: 10, usedBytes: 0 },
      { id, name: 'lun', bytes: Number.NaN, usedBytes: 0 },
    ]
    for (const answer of answers) {
      // What a plug-in that breaks its contract does.
      const lying = await guarded({ get: async () => answer as never })
      await expect(lying.volumes.get(id, call())).rejects.toMatchObject({ code: 'INTERNAL', effect: 'possible' })
    }
  })
})

describe('the plug-in host', () => {
  test('derives what a pool can from the facets that are there', async () => {
    const load = { pool: async () => registration, host: async () => registration }
    const host = createPluginHost({ ...options, load, storage: [plugin(() => provider({}))] })
    expect([...(await host.openPool(registration)).can]).toEqual(['resize'])
  })

  test('opens a registration once, and anew when it has changed, with this installation’s mark', async () => {
    const opened: Endpoint[] = []
    let version = '1'
    const host = createPluginHost({
      ...options,
      storage: [plugin((endpoint) => (opened.push(endpoint), provider({})))],
      load: { pool: async () => ({ ...registration, version }), host: async () => registration },
    })
    await host.pool('pool')
    await host.pool('pool')
    expect(opened).toEqual([{ url: 'test://x', settings: { user: 'u' }, owner: 'installation' }])
    version = '2'
    await host.pool('pool')
    expect(opened).toHaveLength(2)
  })

  test('refuses two plug-ins of one name, one of another contract, and one that nobody ships', async () => {
    const load = { pool: async () => registration, host: async () => registration }
    const open = () => provider({})
    expect(() => createPluginHost({ ...options, load, storage: [plugin(open), plugin(open)] })).toThrow(
      'two plug-ins are called test',
    )
    const future = plugin(open, { contract: 2 as never }) // What a plug-in of the future says.
    expect(() => createPluginHost({ ...options, load, storage: [future] })).toThrow('contract 2')
    const host = createPluginHost({ ...options, load, storage: [] })
    await expect(host.pool('pool')).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })
})
