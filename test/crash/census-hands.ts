import { join } from 'node:path'
import { serialOf, type VolumeId } from '@moorage/contract'
import type { FindingAction } from '../../controller/domain/census-classes.ts'
import type { Yard } from '../support/yard.ts'

/** Size of the volumes here. */
export const GIB = 2 ** 30

/** One fault: under which name it is found, what is true while it is only ignored, and once it is resolved. */
export interface Planted {
  readonly object: string
  /** What is found besides, as `class object`: what comes with it. Gone once it is resolved. */
  readonly also?: readonly string[]
  /** Parameters of the action. */
  readonly params?: object
  /** True, of a repair, where only the record changes: its back end is as it was planted. */
  readonly untouched: () => Promise<unknown>
  /** Looks at the back end past Moorage, and puts away what is left to put away. */
  readonly resolved: () => Promise<unknown>
}

/** How a fault is put in its place, and which action is to resolve it. */
export interface Fault {
  readonly action: FindingAction
  plant(yard: Yard): Promise<Planted>
}

/** Where the SAN keeps a volume of ours. */
export const volumeFile = ({ lab, owner }: Yard, id: string) => join(lab.at.san, 'pool', owner, 'volumes', `${id}.raw`)
/** Where it keeps a snapshot of one. */
export const snapshotFile = ({ lab, owner }: Yard, id: string, volume: string) =>
  join(lab.at.san, 'pool', owner, 'snapshots', `${id}@${volume}.raw`)

/** Volumes that the machine of our VM has. */
export async function disksOf(yard: Yard): Promise<readonly string[]> {
  const machine = await yard.hostd(await yard.hostOf(yard.vm), 'vms/get', { id: yard.vm })
  const { disks } = machine as { readonly disks: readonly { readonly volume: string }[] } // A `BackendVm` of the contract.
  return disks.map(({ volume }) => volume)
}

/** Takes a disk from our machine; answers the generation that it had. */
export async function unplug(yard: Yard, volume: string): Promise<number> {
  const generation = Number(await yard.sql(`select generation from attachment where volume_id = '${volume}'`))
  const disk = { volume, generation }
  await yard.hostd(await yard.hostOf(yard.vm), 'disks/detach', { vm: yard.vm, disk })
  return generation
}

/** Gives a disk to our machine. */
export async function plug(yard: Yard, volume: string, generation: number): Promise<void> {
  const host = await yard.hostOf(yard.vm)
  const { connection } = await expose(yard, volume, { host, mode: 'rw' })
  // An id of ours is made by us; the brand only keeps kinds apart.
  const rest = { mode: 'rw', serial: serialOf(volume as VolumeId), deviceId: 9, throttle: {} }
  await yard.hostd(host, 'disks/attach', { vm: yard.vm, disk: { volume, generation, connection, ...rest } })
}

/** Gives a host access to a volume, that of our machine unless told; answers how it reaches it. */
export async function expose(
  yard: Yard,
  volume: string,
  to: { readonly host?: string; readonly mode: 'rw' | 'ro' } = { mode: 'rw' },
): Promise<{ readonly host: string; readonly connection: unknown }> {
  const host = to.host ?? (await yard.hostOf(yard.vm))
  const consumer = { kind: 'host', id: host, initiator: await initiatorOf(yard, host) }
  const account = await yard.sql(`select chap_account from account where name = 'admin'`)
  const exposure = { source: { kind: 'volume', id: volume }, consumer, mode: to.mode, account }
  return { host, connection: await yard.san('access/expose', { exposure }) }
}

/** Under which name a host logs in. */
export async function initiatorOf(yard: Yard, host: string): Promise<string> {
  const { initiator } = (await yard.hostd(host, 'hosts/report', {})) as { readonly initiator: string } // A `HostReport`.
  return initiator
}

/** All targets, as tgtd tells of them. */
export async function shown(yard: Yard): Promise<string> {
  return yard.tgtadm('--mode', 'target', '--op', 'show')
}

/** What tgtd tells of one target; '' when there is none. */
export async function section(yard: Yard, iqn: string): Promise<string> {
  return (await shown(yard)).split(/^(?=Target \d+: )/m).find((each) => each.split('\n')[0]?.endsWith(`: ${iqn}`)) ?? ''
}

/** The number of a target; '' when there is none. */
export async function targetOf(yard: Yard, iqn: string): Promise<string> {
  return /^Target (\d+): /.exec(await section(yard, iqn))?.[1] ?? ''
}
