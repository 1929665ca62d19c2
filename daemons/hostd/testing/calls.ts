import { randomUUID } from 'node:crypto'
import {
  type Call,
  type DiskSpec,
  type HypervisorAdapter,
  serialOf,
  type VmId,
  type VmSpec,
  type VolumeId,
} from '@moorage/contract'
import { type RemoteCall, remoteHypervisor, wireClient } from '@moorage/wire'
import type { TestHostd } from '../testing.ts'

/** A call with a key of its own. */
export function call(options: { readonly ms?: number; readonly fence?: number; readonly key?: string } = {}): Call {
  const { ms = 20_000, fence = 1, key = randomUUID() } = options
  return { key, fence, deadline: Date.now() + ms, signal: AbortSignal.timeout(ms) }
}

/** The daemon's methods, also those that are not of the contract. */
export function remoteOf(hostd: TestHostd): RemoteCall {
  return wireClient({ url: hostd.url, user: hostd.user, password: hostd.password })
}

/** The daemon as an adapter of the contract; every facet is there. */
export function adapterOf(hostd: TestHostd): Required<HypervisorAdapter> {
  const adapter = remoteHypervisor({
    remote: remoteOf(hostd),
    accepts: ['iscsi', 'file', 'nbd'],
    limits: { maxDisksPerVm: 24 },
    can: ['resize', 'throttle', 'stats', 'quiesce', 'migration', 'reach', 'mirror'],
    context: { owner: hostd.endpoint.owner },
  })
  return adapter as Required<HypervisorAdapter> // `can` names every optional facet.
}

/** A new VM's id. */
export function newVm(): VmId {
  return randomUUID() as VmId // Ids are UUIDs.
}

/** A new volume's id. */
export function newVolume(): VolumeId {
  return randomUUID() as VolumeId // Ids are UUIDs.
}

/** A machine without a guest, or with `image`. */
export function vmSpec(id: VmId, more: Partial<VmSpec> = {}): VmSpec {
  return { id, name: 'test', cpus: 1, memoryBytes: 128 * 1024 * 1024, disks: [], ...more }
}

/** An attachment in generation 1 unless told otherwise. */
export function diskSpec(volume: VolumeId, connection: DiskSpec['connection'], more: Partial<DiskSpec> = {}): DiskSpec {
  return { volume, generation: 1, connection, mode: 'rw', serial: serialOf(volume), deviceId: 1, throttle: {}, ...more }
}

/** What an outcome was refused with, for `toMatchObject`. */
export async function refusal(outcome: Promise<unknown>): Promise<unknown> {
  return outcome.then(
    (value) => ({ fulfilled: value }),
    (error: unknown) => error,
  )
}
