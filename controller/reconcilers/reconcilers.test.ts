import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import { writeSetting } from '../store/configurations.ts'
import { vmById } from '../store/vms.ts'
import { volumeById } from '../store/volumes.ts'
import { textOf } from '../testing-client.ts'
import { NAMES, patientReconcilers, type Scene, startScene } from './testing.ts'

const QUIET = { info: () => {}, warn: () => {}, error: () => {} }

let scene: Scene
beforeAll(async () => {
  scene = await startScene()
})
afterAll(async () => scene.stop())

/** A volume with bytes on the array, attached to nothing. */
async function detached(): Promise<string> {
  const { api, create, deploy } = scene
  const [vm, id] = [await deploy(), await create()]
  await api.run('attachVolume', { id, virtualmachineid: vm })
  await api.run('detachVolume', { id })
  await api.run('destroyVirtualMachine', { id: vm, expunge: true })
  return id
}

describe('volume-expunge', () => {
  test('what was destroyed is deleted for good once its time for recovery is over, and not before', async () => {
    const { api, store, turn, operations, deploy } = scene
    const [volume, vm] = [await detached(), await deploy()]
    await api.run('destroyVolume', { id: volume })
    await api.run('destroyVirtualMachine', { id: vm })
    await turn('volume-expunge')
    expect(await operations('volume-delete', volume)).toEqual([])
    for (const table of ['volume', 'vm'])
      await sql`update ${sql.table(table)} set destroyed_at = destroyed_at - interval '1 day'`.execute(store.reader)
    await turn('volume-expunge')
    expect(await operations('volume-delete', volume)).toMatchObject([{ state: 'succeeded' }])
    expect(await operations('vm-expunge', vm)).toMatchObject([{ state: 'succeeded' }])
    expect(await volumeById(store.reader, volume)).toMatchObject({ state: 'Expunged' })
    expect((await vmById(store.reader, vm))?.removedAt).toBeInstanceOf(Date)
    await turn('volume-expunge')
    expect(await operations('volume-delete', volume)).toHaveLength(1)
    expect(await scene.findings()).toEqual([])
  })
})

describe('unfinished', () => {
  test('a deletion that failed is tried again after a minute, and after twice as long each time it fails again', async () => {
    const { api, simulator, turn, operations, age } = scene
    const id = await detached()
    const fail = () => simulator.faults.arm({ method: 'array/volumes/delete', kind: 'error-before', code: 'INTERNAL' })
    await fail()
    await expect(api.run('deleteVolume', { id })).rejects.toThrow('did not delete')
    await turn('unfinished')
    expect(await operations('volume-delete', id)).toHaveLength(1)
    await age(id, 60)
    await fail()
    await turn('unfinished')
    expect(await operations('volume-delete', id)).toMatchObject([{ state: 'failed' }, { state: 'failed' }])
    await age(id, 60)
    await turn('unfinished')
    expect(await operations('volume-delete', id)).toHaveLength(2)
    await age(id, 60)
    await turn('unfinished')
    expect((await operations('volume-delete', id)).at(2)).toMatchObject({ state: 'succeeded' })
    await turn('unfinished')
    expect(await operations('volume-delete', id)).toHaveLength(3)
    expect(await scene.findings()).toEqual([])
  })

  test('detachments, snapshots, VMs and access that a failure left half gone are gone after a turn', async () => {
    const { api, store, simulator, turn, operations, age, create, deploy } = scene
    const [vm, going, id] = [await deploy(), await deploy(), await create()]
    await api.run('attachVolume', { id, virtualmachineid: vm })
    const snapshot = textOf(await api.run('createSnapshot', { volumeid: id, locationtype: 'primary' }), 'id')
    const failing = async (method: string, command: string, params: Parameters<typeof api.run>[1]) => {
      await simulator.faults.arm({ method, kind: 'error-after', code: 'INTERNAL' })
      await expect(api.run(command, params)).rejects.toThrow('jobstatus 2')
    }
    const retried = async (saga: string, subject: string) => {
      await age(subject, 60)
      await turn('unfinished')
      expect((await operations(saga, subject)).map(({ state }) => state)).toEqual(['failed', 'succeeded'])
    }
    await failing('array/snapshots/delete', 'deleteSnapshot', { id: snapshot })
    await retried('snapshot-delete', snapshot)
    await failing('array/access/withdraw', 'stopVirtualMachine', { id: vm, forced: true })
    expect(await scene.one('listVirtualMachines', { id: vm })).toMatchObject({ state: 'Stopped' })
    await retried('vm-stop', vm)
    expect(await store.reader.selectFrom('connection').selectAll().where('sourceId', '=', id).execute()).toEqual([])
    await api.run('startVirtualMachine', { id: vm })
    await failing('array/access/withdraw', 'detachVolume', { id })
    await retried('volume-detach', id)
    expect(await scene.one('listVolumes', { id })).not.toHaveProperty('virtualmachineid')
    await failing('host/vms/stop', 'destroyVirtualMachine', { id: going, expunge: true })
    await retried('vm-expunge', going)
    await api.run('deleteVolume', { id })
    expect(await scene.findings()).toEqual([])
  })

  test('controllers that ask at the same time ask for one operation', async () => {
    const { api, simulator, turn, operations, age } = scene
    const other = patientReconcilers(scene, QUIET)
    const ids = await Promise.all(Array.from({ length: 4 }, detached))
    for (const id of ids) {
      await simulator.faults.arm({ method: 'array/volumes/delete', kind: 'error-before', code: 'INTERNAL' })
      await expect(api.run('deleteVolume', { id })).rejects.toThrow('did not delete')
      await age(id, 60)
    }
    await Promise.all([turn('unfinished'), other.runNow('unfinished'), turn('unfinished'), other.runNow('unfinished')])
    for (const id of ids)
      expect(await operations('volume-delete', id)).toMatchObject([{ state: 'failed' }, { state: 'succeeded' }])
    await other.stop()
  })
})

describe('operation-retention', () => {
  test('operations that ended longer ago than they are kept are gone with their logs, however many, and no others', async () => {
    const { api, store, turn, create } = scene
    const old = await api.ask('createVolume', { name: 'old', zoneid: scene.ground.zone, ...offering(), size: 1 })
    await api.job(textOf(old, 'jobid'))
    const young = textOf(old, 'id')
    await create()
    await sql`update operation set ended_at = now() - interval '31 days' where id = ${old['jobid']}`.execute(
      store.reader,
    )
    await sql`insert into operation (id, saga, version, lane, state, input, resources, command, ended_at)
      select gen_random_uuid(), 'recorded', 1, 0, 'succeeded', '{}', '{}', 'old', now() - interval '40 days'
      from generate_series(1, 450)`.execute(store.reader)
    await sql`insert into operation_log (operation_id, kind)
      select id, 'ended' from operation where command = 'old'`.execute(store.reader)
    const counted = async () => {
      const { rows } = await sql<{ operations: number; logs: number; old: number }>`
        select count(*) as operations, (select count(*) from operation_log) as logs,
          count(*) filter (where ended_at < now() - interval '30 days') as old from operation`.execute(store.reader)
      return rows[0]
    }
    const before = await counted()
    expect(before?.old).toBe(451)
    await turn('operation-retention')
    const after = await counted()
    expect(after).toMatchObject({ old: 0, operations: (before?.operations ?? 0) - 451 })
    expect(after?.logs).toBeLessThan((before?.logs ?? 0) - 450)
    expect(await api.refuses('queryAsyncJobResult', { jobid: textOf(old, 'jobid') })).toMatch(/^431 /)
    expect(await scene.one('listVolumes', { id: young })).toMatchObject({ name: 'old' })
  })

  test('a shorter time to keep them holds at once', async () => {
    const { store, turn, create, operations } = scene
    const id = await create()
    await sql`update operation set ended_at = now() - interval '2 days' where subject_id = ${id}`.execute(store.reader)
    await turn('operation-retention')
    expect(await operations('volume-create', id)).toHaveLength(1)
    await store.transact((tx) => writeSetting(tx, 'operation.retention', { value: 1, place: { scope: 'global' } }))
    await turn('operation-retention')
    expect(await operations('volume-create', id)).toEqual([])
  })
})

describe('census-clock', () => {
  test('a census is taken once in its interval, and not while one is open', async () => {
    const { api, store, simulator, turn } = scene
    const taken = async () => {
      const rows = await store.reader.selectFrom('operation').select('id').where('command', '=', 'census').execute()
      for (const { id } of rows) expect(await scene.system.jobs.ended(id, 30_000)).toBe(true)
      return rows.length
    }
    await turn('census-clock', 'census-clock')
    expect(await taken()).toBe(1)
    await simulator.faults.arm({ method: 'array/inventory/list', kind: 'hold-before' })
    const { jobid } = await api.ask('runCensus')
    await simulator.faults.held('array/inventory/list')
    // Another interval begins another span, so that one is due.
    await store.transact((tx) => writeSetting(tx, 'census.interval', { value: 7200, place: { scope: 'global' } }))
    await turn('census-clock')
    expect(await taken()).toBe(1)
    await simulator.faults.clear()
    await api.job(String(jobid))
    await turn('census-clock')
    expect(await taken()).toBe(2)
  })
})

test('every reconciler asks for nothing on a cloud where all is well', async () => {
  const { store, reconcilers, turn, log } = scene
  const counted = async () =>
    store.reader.selectFrom('operation').select('id').where('principalId', 'is', null).execute()
  await turn('census-clock', 'audit-seal')
  const [before, lines] = [await counted(), log.length]
  expect(reconcilers.names).toEqual(NAMES)
  await turn(...NAMES, ...NAMES)
  expect(await counted()).toEqual(before)
  expect(log.slice(lines)).toEqual([])
})

function offering() {
  return { diskofferingid: scene.ground.offering }
}
