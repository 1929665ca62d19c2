import { randomUUID } from 'node:crypto'
import type { HostId, InventoryItem, SnapshotId, VmId, VolumeId } from '@moorage/contract'
import { describe, expect, test } from 'vitest'
import { type CensusPlace, type CensusView, compareCensus, exposureKey } from './census.ts'

// Ids made here stand for ids of ours.
const [volume, other] = [randomUUID() as VolumeId, randomUUID() as VolumeId]
const [snapshot, host, vm] = [randomUUID() as SnapshotId, randomUUID() as HostId, randomUUID() as VmId] // As above.
const pool = randomUUID()

const EMPTY: CensusView = {
  volumes: new Map(),
  snapshots: new Map(),
  exposures: new Map(),
  vms: new Map(),
  disks: new Map(),
}
const LIVED: CensusView = {
  volumes: new Map([[volume, { pool, state: 'present', bytes: 10 }]]),
  snapshots: new Map([[snapshot, { pool, state: 'present', volume }]]),
  exposures: new Map([[exposureKey(`volume:${volume}`, host), { pool, state: 'given', source: `volume:${volume}` }]]),
  vms: new Map([[vm, { host, state: 'Running' }]]),
  disks: new Map([[volume, { vm, generation: 3, actual: 'attached' }]]),
}

const lun: InventoryItem = { kind: 'volume', owner: 'ours', id: volume, name: 'lun', bytes: 10 }
const shot: InventoryItem = { kind: 'snapshot', owner: 'ours', id: snapshot, volume, name: 'shot', bytes: 10 }
const door: InventoryItem = {
  kind: 'exposure',
  owner: 'ours',
  source: { kind: 'volume', id: volume },
  consumer: host,
  name: 'door',
  bytes: 0,
}
const machine = { kind: 'vm', owner: 'ours', id: vm, name: 'vm', state: 'running' } as const
const disk = { kind: 'disk', owner: 'ours', vm, volume, generation: 3, name: 'vdb' } as const

const atPool = (...items: readonly InventoryItem[]): CensusPlace => ({ kind: 'pool', id: pool, items })
const atHost = (...items: Extract<CensusPlace, { readonly kind: 'host' }>['items']): CensusPlace => ({
  kind: 'host',
  id: host,
  items,
})

function compare(
  place: CensusPlace,
  views: { readonly before: CensusView; readonly after?: CensusView },
  more: { readonly busy?: readonly string[]; readonly now?: number; readonly graceMs?: number } = {},
): readonly string[] {
  const { before, after = before } = views
  const { busy = [], now = 1000, graceMs = 0 } = more
  return compareCensus({ before, after, places: [place], busy: new Set(busy), now, graceMs }).map(
    ({ kind, object }) => `${kind} ${object}`,
  )
}

const exposure = `exposure:volume:${volume}@${host}`

describe('a census of a pool', () => {
  test('finds nothing when array and database agree', () => {
    expect(compare(atPool(lun, shot, door), { before: LIVED })).toEqual([])
  })

  test('calls an object of ours that nobody knows an orphan, and access that nobody knows drifted', () => {
    expect(compare(atPool(lun, shot, door), { before: EMPTY })).toEqual([
      `orphan volume:${volume}`,
      `orphan snapshot:${snapshot}`,
      `drifted ${exposure}`,
    ])
  })

  test('calls what is recorded and not there a ghost', () => {
    expect(compare(atPool(), { before: LIVED })).toEqual([
      `ghost volume:${volume}`,
      `ghost snapshot:${snapshot}`,
      `ghost ${exposure}`,
    ])
  })

  test('calls another size drifted', () => {
    expect(compare(atPool({ ...lun, bytes: 11 }, shot, door), { before: LIVED })).toEqual([`drifted volume:${volume}`])
  })

  test('does not take what lives in another pool for known', () => {
    const elsewhere = { ...LIVED, volumes: new Map([[volume, { pool: randomUUID(), state: 'present', bytes: 10 }]]) }
    expect(compare(atPool(lun, shot, door), { before: elsewhere })).toEqual([`orphan volume:${volume}`])
  })

  test('reports nothing that one of the two views explains: it was in motion', () => {
    expect(compare(atPool(lun, shot, door), { before: EMPTY, after: LIVED })).toEqual([])
    expect(compare(atPool(), { before: LIVED, after: EMPTY })).toEqual([])
  })

  test('reports nothing on which an operation works, be it on the volume or on the VM that has it', () => {
    expect(compare(atPool(), { before: LIVED }, { busy: [`vm:${vm}`] })).toEqual([])
    expect(compare(atPool(lun), { before: EMPTY }, { busy: [`volume:${volume}`] })).toEqual([])
    expect(compare(atPool(lun), { before: EMPTY }, { busy: [`volume:${other}`] })).toEqual([`orphan volume:${volume}`])
  })

  test('gives a young object its grace', () => {
    const young = { ...lun, createdAt: 900 }
    expect(compare(atPool(young), { before: EMPTY }, { graceMs: 500 })).toEqual([])
    expect(compare(atPool(young), { before: EMPTY }, { graceMs: 50 })).toEqual([`orphan volume:${volume}`])
  })

  test('lets a structure stand while its volume is served, and calls it an orphan after', () => {
    const throttle: InventoryItem = {
      kind: 'structure',
      owner: 'ours',
      id: `throttle ${volume}`,
      name: 'group',
      bytes: 0,
    }
    expect(compare(atPool(lun, shot, door, throttle), { before: LIVED })).toEqual([])
    expect(compare(atPool(throttle), { before: EMPTY })).toEqual([`orphan structure:throttle ${volume}`])
  })

  test('counts what is foreign by kind, and never names it', () => {
    const strange = (name: string): InventoryItem => ({ kind: 'volume', owner: 'foreign', name, bytes: 5 })
    expect(compare(atPool(strange('a'), strange('b')), { before: EMPTY })).toEqual(['foreign volume'])
  })
})

describe('a census of a host', () => {
  test('finds nothing when host and database agree', () => {
    expect(compare(atHost(machine, disk), { before: LIVED })).toEqual([])
  })

  test('finds machines and disks that nobody knows, and those that are not there', () => {
    expect(compare(atHost(machine, disk), { before: EMPTY })).toEqual([
      `orphan vm:${vm}`,
      `drifted disk:${vm}/${volume}`,
    ])
    expect(compare(atHost(), { before: LIVED })).toEqual([`ghost vm:${vm}`, `ghost disk:${vm}/${volume}`])
  })

  test('finds a disk of another generation', () => {
    expect(compare(atHost(machine, { ...disk, generation: 2 }), { before: LIVED })).toEqual([
      `drifted disk:${vm}/${volume}`,
    ])
  })

  test('finds a machine that should run elsewhere, and does not mind one that is stopped', () => {
    const moved = { ...LIVED, vms: new Map([[vm, { host: randomUUID(), state: 'Running' }]]), disks: new Map() }
    expect(compare(atHost(machine), { before: moved })).toEqual([`drifted vm:${vm}`])
    expect(compare(atHost({ ...machine, state: 'stopped' }), { before: moved })).toEqual([])
  })
})
