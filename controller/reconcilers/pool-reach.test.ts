import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import { containing } from '../sagas/testing/checks.ts'
import { textOf } from '../testing-client.ts'
import { type Scene, startScene } from './testing.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene()
})
afterAll(async () => scene.stop())
afterEach(async () => scene.simulator.faults.clear())

const NAMES = ['host-one-a', 'host-one-b'] as const

/** Takes a host off the network of arrays, and of no others. */
async function cut(host: string, ...arrays: readonly string[]): Promise<void> {
  await scene.simulator.send('hosts/define', { host, cutOff: arrays })
}

/** What hosts said, as `HOST yes` or `HOST no`. */
async function told(): Promise<readonly string[]> {
  const rows = await scene.api.list('listStoragePoolHosts', { storageid: scene.ground.pool })
  return rows.map((row) => `${textOf(row, 'hostname')} ${row['reached'] === true ? 'yes' : 'no'}`)
}

/** Makes what was told so old that it is asked for again. */
async function age(): Promise<void> {
  await sql`update pool_reach set asked_at = asked_at - interval '1 hour'`.execute(scene.store.reader)
}

const array = async () => {
  const [pool] = await scene.api.list('listStoragePools', { id: scene.ground.pool })
  if (!pool) throw new Error('the ground has a pool')
  return textOf(pool, 'path').replace(/^.*\//, '')
}

describe('a host', () => {
  test('is asked at its registration, and at that of a pool, whether it gets there', async () => {
    expect(await told()).toEqual([`${NAMES[0]} yes`, `${NAMES[1]} yes`])
    expect(await scene.events(scene.ground.hosts[0], 'HOST.POOL.%')).toEqual([])
  })

  test('that does not get to a pool is told once, and no VM with a volume there starts on it until it does', async () => {
    const { api, ground, turn, events } = scene
    const [here, there] = ground.hosts
    const vm = await scene.deploy({ hostid: here })
    const volume = await scene.create()
    await api.run('attachVolume', { id: volume, virtualmachineid: vm })
    await api.run('stopVirtualMachine', { id: vm })
    await cut(NAMES[0], await array())
    await turn('pool-reach')
    expect(await told()).toEqual([`${NAMES[0]} yes`, `${NAMES[1]} yes`])
    await age()
    await turn('pool-reach', 'pool-reach')
    expect(await told()).toEqual([`${NAMES[0]} no`, `${NAMES[1]} yes`])
    expect(await events(here, 'HOST.POOL.%')).toEqual(['HOST.POOL.CUTOFF WARN'])
    expect(await api.list('listStoragePoolHosts', { reached: false })).toMatchObject([
      { hostid: here, storageid: ground.pool, reason: containing('is not reached from here') },
    ])
    expect(await api.run('startVirtualMachine', { id: vm })).toMatchObject({ hostid: there })
    await expect(api.run('migrateVirtualMachine', { virtualmachineid: vm, hostid: here })).rejects.toThrow(
      /no host to which/,
    )
    await expect(
      scene.create().then(async (id) => {
        const other = await scene.deploy({ hostid: here })
        return api.run('attachVolume', { id, virtualmachineid: other })
      }),
    ).rejects.toThrow(/storage/)

    await cut(NAMES[0])
    await turn('pool-reach')
    expect(await told()).toEqual([`${NAMES[0]} yes`, `${NAMES[1]} yes`])
    expect(await events(here, 'HOST.POOL.%')).toEqual(['HOST.POOL.CUTOFF WARN', 'HOST.POOL.REACHED INFO'])
    expect(await api.run('migrateVirtualMachine', { virtualmachineid: vm, hostid: here })).toMatchObject({
      hostid: here,
    })
  })

  test('that does not say leaves what is known as it is', async () => {
    await age()
    await scene.simulator.faults.arm({
      method: 'host/reach/prepare',
      kind: 'error-before',
      code: 'UNAVAILABLE',
      count: 2,
    })
    await scene.turn('pool-reach')
    expect(await told()).toEqual([`${NAMES[0]} yes`, `${NAMES[1]} yes`])
  })

  test('that was given up says nothing any more, until it is back', async () => {
    const [, there] = scene.ground.hosts
    for (const method of ['host/hosts/report', 'host/inventory/list'])
      await scene.simulator.faults.arm({ method, kind: 'error-before', match: { host: NAMES[1] }, count: 1000 })
    await scene.api.run('declareHostLost', { id: there })
    expect(await told()).toEqual([`${NAMES[0]} yes`])
    await scene.turn('pool-reach')
    expect(await told()).toEqual([`${NAMES[0]} yes`])
    await scene.simulator.faults.clear()
    await scene.turn('host-report', 'pool-reach')
    expect(await told()).toEqual([`${NAMES[0]} yes`, `${NAMES[1]} yes`])
    await scene.api.run('deleteHost', { id: there })
    expect(await told()).toEqual([`${NAMES[0]} yes`])
  })
})
