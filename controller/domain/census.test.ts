import { randomUUID } from 'node:crypto'
import type { HostId, InventoryItem, SnapshotId, VmId, VolumeId } from '@moorage/contract'
import { describe, expect, test } from 'vitest'
import {
  type CensusPlace,
  type CensusView,
  countStrangers,
  exposureKey,
  judge,
  missingFrom,
  strangersFinding,
} from './census.ts'

// Ids made here stand for ids of ours.
const volume = randomUUID() as VolumeId
const [snapshot, host, vm] = [randomUUID() as SnapshotId, randomUUID() as HostId, randomUUID() as VmId] // As above.
const pool = randomUUID()

const EMPTY: CensusView = {
  volumes: new Map(),
  snapshots: new Map(),
  exposures: new Map(),
  vms: new Map(),
  disks: new Map(),
  served: new Set(),
}
const LIVED: CensusView = {
  volumes: new Map([[volume, { pool, state: 'present', bytes: 10 }]]),
  snapshots: new Map([[snapshot, { pool, state: 'present', volume }]]),
  exposures: new Map([
    [exposureKey(`volume:${volume}`, host), { pool, state: 'given', source: `volume:${volume}`, mode: 'rw' }],
  ]),
  vms: new Map([[vm, { host, state: 'Running' }]]),
  disks: new Map([[volume, { vm, generation: 3, actual: 'attached' }]]),
  served: new Set([volume.replaceAll('-', '').slice(0, 20)]),
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

/** What is wrong with what is there, by class and object. */
function wrong(place: CensusPlace, view: CensusView, grace = { now: 1000, graceMs: 0 }): readonly string[] {
  return judge(place, view, grace).map((found) => `${found.class} ${found.object}`)
}

/** What is missing where nothing of the view was seen. */
function missing(kind: CensusPlace['kind'], id: string, view: CensusView): readonly string[] {
  return missingFrom({ kind, id }, view).map((found) => `${found.class} ${found.object}`)
}

const exposure = `exposure:volume:${volume}@${host}`

describe('a census of a pool', () => {
  test('finds nothing when array and database agree', () => {
    expect(wrong(atPool(lun, shot, door), LIVED)).toEqual([])
  })

  test('calls an object of ours that nobody knows an orphan, and access that nobody knows stale', () => {
    expect(wrong(atPool(lun, shot, door), EMPTY)).toEqual([
      `orphan-volume volume:${volume}`,
      `orphan-snapshot snapshot:${snapshot}`,
      `stale-exposure ${exposure}`,
    ])
  })

  test('calls what is recorded and not there a ghost', () => {
    expect(missing('pool', pool, LIVED)).toEqual([
      `ghost-volume volume:${volume}`,
      `ghost-snapshot snapshot:${snapshot}`,
      `ghost-exposure ${exposure}`,
    ])
    expect(missing('pool', randomUUID(), LIVED)).toEqual([])
  })

  test('calls another size drifted, and another access mode where the array tells it', () => {
    expect(wrong(atPool({ ...lun, bytes: 11 }), LIVED)).toEqual([`drifted-size volume:${volume}`])
    expect(wrong(atPool({ ...door, mode: 'ro' }), LIVED)).toEqual([`drifted-access ${exposure}`])
    expect(wrong(atPool({ ...door, mode: 'rw' }), LIVED)).toEqual([])
  })

  test('calls what is recorded as intended only, and access that was to be withdrawn, by their names', () => {
    const intended = { ...LIVED, volumes: new Map([[volume, { pool, state: 'intended', bytes: 10 }]]) }
    expect(wrong(atPool(lun), intended)).toEqual([`drifted-state volume:${volume}`])
    const given = [...LIVED.exposures].map(([key, known]) => [key, { ...known, state: 'withdrawing' }] as const)
    expect(wrong(atPool(door), { ...LIVED, exposures: new Map(given) })).toEqual([`stale-exposure ${exposure}`])
  })

  test('calls the second home of a volume a duplicate', () => {
    const elsewhere = { ...LIVED, volumes: new Map([[volume, { pool: randomUUID(), state: 'present', bytes: 10 }]]) }
    expect(wrong(atPool(lun, shot, door), elsewhere)).toEqual([`duplicated-volume volume:${volume}`])
  })

  test('names the locks under which the volume or the VM that has it may be changing, and one of its own', () => {
    const [found] = missingFrom({ kind: 'pool', id: pool }, LIVED)
    expect(found?.resources).toEqual([`volume:${volume}`, `vm:${vm}`, `census:pool:${pool} volume:${volume}`])
  })

  test('gives a young object its grace', () => {
    const young = { ...lun, createdAt: 900 }
    expect(wrong(atPool(young), EMPTY, { now: 1000, graceMs: 500 })).toEqual([])
    expect(wrong(atPool(young), EMPTY, { now: 1000, graceMs: 50 })).toEqual([`orphan-volume volume:${volume}`])
  })

  test('lets a structure stand while its volume is served, unless the array itself knows that it is stale', () => {
    const throttle: InventoryItem = {
      kind: 'structure',
      owner: 'ours',
      id: `throttle ${volume}`,
      name: 'group',
      bytes: 0,
    }
    expect(wrong(atPool(throttle), LIVED)).toEqual([])
    expect(wrong(atPool(throttle), EMPTY)).toEqual([`stale-structure structure:throttle ${volume}`])
    expect(wrong(atPool({ ...throttle, stale: true }), LIVED)).toEqual([`stale-structure structure:throttle ${volume}`])
  })

  test('finds the id in a name, also after a word that ends in what could be a digit', () => {
    for (const name of [`iqn.2026-01.san:volume-${volume}`, `v-${volume.replaceAll('-', '').slice(0, 20)}-f`]) {
      const target: InventoryItem = { kind: 'structure', owner: 'ours', id: `${vm}/${name}`, name, bytes: 0 }
      expect(wrong(atPool(target), LIVED)).toEqual([])
    }
  })

  test('counts what is foreign by kind with its bytes, and never names it', () => {
    const strange = (name: string): InventoryItem => ({ kind: 'volume', owner: 'foreign', name, bytes: 5 })
    expect(wrong(atPool(strange('a'), strange('b')), EMPTY)).toEqual([])
    const [counted] = countStrangers([strange('c')], countStrangers([strange('a'), strange('b')]))
    expect(counted).toEqual({ kind: 'volume', objects: 3, bytes: 15 })
    expect(counted && strangersFinding(`pool:${pool}`, counted)).toMatchObject({
      class: 'foreign',
      object: 'volume',
      detail: '3 that are not ours, 15 bytes',
    })
  })
})

describe('a census of a host', () => {
  test('finds nothing when host and database agree', () => {
    expect(wrong(atHost(machine, disk), LIVED)).toEqual([])
  })

  test('finds machines and disks that nobody knows, and those that are not there', () => {
    expect(wrong(atHost(machine, disk), EMPTY)).toEqual([`orphan-vm vm:${vm}`, `stale-disk disk:${vm}/${volume}`])
    expect(missing('host', host, LIVED)).toEqual([`ghost-vm vm:${vm}`, `ghost-disk disk:${vm}/${volume}`])
  })

  test('finds a disk of another generation, or one that is recorded as let go', () => {
    expect(wrong(atHost(machine, { ...disk, generation: 2 }), LIVED)).toEqual([`drifted-disk disk:${vm}/${volume}`])
    const left = { ...LIVED, disks: new Map([[volume, { vm, generation: 3, actual: 'unknown' }]]) }
    expect(wrong(atHost(machine, disk), left)).toEqual([`drifted-disk disk:${vm}/${volume}`])
  })

  test('finds a machine that should run elsewhere or nowhere, and does not mind one that is stopped', () => {
    const at = (where: string | null) => ({ ...LIVED, vms: new Map([[vm, { host: where, state: 'Running' }]]) })
    expect(wrong(atHost(machine), at(randomUUID()))).toEqual([`duplicated-vm vm:${vm}`])
    expect(wrong(atHost(machine), at(null))).toEqual([`drifted-vm vm:${vm}`])
    expect(wrong(atHost({ ...machine, state: 'stopped' }), at(randomUUID()))).toEqual([])
  })
})
