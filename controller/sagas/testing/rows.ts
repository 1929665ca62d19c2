import { randomUUID } from 'node:crypto'
import type { Qos } from '@moorage/contract'
import type { WantedTier } from '../../domain/qos.ts'
import { GIB } from '../../domain/size.ts'
import { ROOT_DEVICE } from '../../domain/volume.ts'
import { insertAttachment } from '../../store/attachments.ts'
import { insertSnapshot } from '../../store/snapshots.ts'
import type { TestStore } from '../../store/testing.ts'
import { insertTemplate } from '../../store/templates.ts'
import { insertVm } from '../../store/vms.ts'
import { insertVolume, updateVolume, volumeById } from '../../store/volumes.ts'
import type { Places } from './places.ts'

/** Adds rows as the API would; each answers the id. */
export interface Rows {
  /** Allocated, with 1 GiB, unless told. With `tags` it has an offering that carries them. */
  volume(more?: NewVolume): Promise<string>
  /** Stopped, with 1 GiB of memory unless told. */
  vm(more?: { readonly memoryBytes?: number; readonly template?: string }): Promise<string>
  /** A template that is a disk of 1 GiB, of which the archive has the bytes under that id. */
  template(id: string, archive: string): Promise<string>
  /** The root disk of a VM, Allocated, to be made from the template. */
  root(vm: string, more: NewVolume & { readonly template: string }): Promise<string>
  /** A root disk of no VM yet, Allocated, to be made from the template. */
  successor(template: string): Promise<string>
  /** Allocated. */
  snapshot(volume: string): Promise<string>
  /** A disk offering. */
  offering(terms: Terms): Promise<string>
}

interface Terms {
  readonly qos?: Qos
  readonly tier?: WantedTier
  readonly tags?: readonly string[]
}

interface NewVolume extends Terms {
  readonly bytes?: number
  /** Snapshot that it is to be made from. */
  readonly from?: string
}

/** Rows of one account in one zone. */
export function rowsOf(world: Places & { readonly store: TestStore }): Rows {
  const { store } = world
  return {
    offering: async (terms) => addOffering(store, terms),
    volume: async (more = {}) => addVolume(world, more),
    vm: async (more = {}) => addVm(world, more),
    snapshot: async (volume) => addSnapshot(world, volume),
    template: async (id, archive) => addTemplate(world, id, archive),
    successor: async (template) => {
      const volume = await addVolume(world, {})
      await store.transact(async (tx) => updateVolume(tx, volume, { type: 'ROOT', templateId: template }))
      return volume
    },
    root: async (vm, more) => {
      const volume = await addVolume(world, more)
      const row = { volumeId: volume, vmId: vm, deviceId: ROOT_DEVICE, generation: 1 }
      await store.transact(async (tx) => {
        await updateVolume(tx, volume, { type: 'ROOT', templateId: more.template, generation: 1 })
        await insertAttachment(tx, { ...row, desired: 'attached', actual: 'detached' })
      })
      return volume
    },
  }
}

async function addOffering(store: TestStore, { qos = {}, tier = 'none', tags = [] }: Terms): Promise<string> {
  const id = randomUUID()
  const name = `disk-${id}`
  await store.reader
    .insertInto('offering')
    .values({ id, kind: 'disk', name, displayText: name, customized: true, qos, qosTier: tier, tags: [...tags] })
    .execute()
  return id
}

async function addVolume(
  { store, account, zone }: Places & { readonly store: TestStore },
  { bytes = GIB, qos = {}, tier = 'any', from, tags }: NewVolume,
): Promise<string> {
  const id = randomUUID()
  const offeringId = tags ? await addOffering(store, { qos, tier, tags }) : null
  await store.transact(async (tx) =>
    insertVolume(tx, {
      id,
      accountId: account,
      zoneId: zone,
      name: `volume-${id}`,
      type: 'DATADISK',
      offeringId,
      bytes,
      qosTier: tier,
      qosRequested: qos,
      state: 'Allocated',
      ...(from === undefined ? {} : { sourceSnapshotId: from }),
    }),
  )
  return id
}

async function addVm(
  { store, account, zone, service, hypervisor }: Places & { readonly store: TestStore },
  { memoryBytes = GIB, template }: { readonly memoryBytes?: number; readonly template?: string },
): Promise<string> {
  const id = randomUUID()
  const name = `vm-${id}`
  await store.transact(async (tx) =>
    insertVm(tx, {
      id,
      accountId: account,
      zoneId: zone,
      name,
      displayName: name,
      offeringId: service,
      hypervisor,
      state: 'Stopped',
      cpus: 1,
      memoryBytes,
      templateId: template ?? null,
    }),
  )
  return id
}

async function addTemplate(
  { store, account, hypervisor }: Places & { readonly store: TestStore },
  id: string,
  archiveId: string,
): Promise<string> {
  const name = `template-${id}`
  const named = { name, displayText: name, format: 'RAW', hypervisor, url: `http://127.0.0.1/${name}`, image: 'none' }
  await store.transact(async (tx) =>
    insertTemplate(tx, { id, accountId: account, ...named, bytes: GIB, checksum: '', archiveId }),
  )
  return id
}

async function addSnapshot(
  { store, account, zone }: Places & { readonly store: TestStore },
  volume: string,
): Promise<string> {
  const id = randomUUID()
  const { bytes } = (await volumeById(store.reader, volume)) ?? { bytes: 0 }
  const name = `snapshot-${id}`
  await store.transact(async (tx) =>
    insertSnapshot(tx, { id, accountId: account, zoneId: zone, volumeId: volume, name, state: 'Allocated', bytes }),
  )
  return id
}
