import type { BackendDisk, BackendVm, Qos, VmId } from '@moorage/contract'
import type { QmpClient } from '@moorage/qmp'
import {
  type Attachment,
  attachmentOfDevice,
  mirrorJobOf,
  remainsKey,
  remainsKeyOf,
  type Side,
  sideOf,
} from './names.ts'
import { throttleOf } from './throttle.ts'

/** A disk that a machine has, as QEMU tells it. */
export interface PluggedDisk extends Attachment {
  readonly device: string
  /** The id under which `block_set_io_throttle` knows it. */
  readonly throttleId: string
  /** Name of its format node. */
  readonly node: string
  readonly side: Side
  readonly bytes: number
  readonly throttle: Qos
}

/** What a machine is and has: asked of QEMU, never of a record. */
export interface MachineView {
  readonly state: 'running' | 'paused'
  /** True when QEMU stopped the machine because a disk failed. */
  readonly ioError: boolean
  readonly disks: readonly PluggedDisk[]
  /** Nodes and secrets of ours without a device: by the part of their names that one attachment shares. */
  readonly leftovers: readonly string[]
  /** Devices that somebody else plugged. */
  readonly foreign: readonly string[]
}

/** `query-status` of QAPI, as far as it is read. */
interface Status {
  readonly status: string
  readonly running: boolean
}

/** An entry of `query-block`, as far as it is read. */
interface BlockInfo {
  readonly qdev?: string
  readonly inserted?: Readonly<Record<string, unknown>> & {
    readonly 'node-name': string
    readonly image: { readonly 'virtual-size': number }
  }
}

/** An entry of `query-named-block-nodes`, as far as it is read. */
interface NodeInfo {
  readonly 'node-name': string
}

/** States of a machine without a guest that is as it should be: just started, or come from another host. */
const STANDING = new Set(['prelaunch', 'paused'])

/** Asks QEMU for everything at once. `bare`: the machine has no guest, and counts as running though its processor stands; `away`: it has not arrived. */
export async function viewMachine(
  qmp: QmpClient,
  options: { bare: boolean; away: boolean; timeoutMs: number },
): Promise<MachineView> {
  const timeout = { timeoutMs: options.timeoutMs }
  const [status, blocks, nodes, objects, jobs] = await Promise.all([
    qmp.execute<Status>('query-status', undefined, timeout),
    qmp.execute<readonly BlockInfo[]>('query-block', undefined, timeout),
    qmp.execute<readonly NodeInfo[]>('query-named-block-nodes', { flat: true }, timeout),
    qmp.execute<readonly { readonly name: string }[]>('qom-list', { path: '/objects' }, timeout),
    qmp.execute<readonly { readonly id: string }[]>('query-jobs', undefined, timeout),
  ])
  const disks = blocks.flatMap(pluggedDisk)
  const used = new Set(disks.flatMap((disk) => keysInUse(disk, jobs)))
  const names = [...nodes.map((node) => node['node-name']), ...objects.map((object) => object.name)]
  const leftovers = names.flatMap((name) => remainsKeyOf(name) ?? []).filter((key) => !used.has(key))
  return {
    state: !options.away && (status.running || (options.bare && STANDING.has(status.status))) ? 'running' : 'paused',
    ioError: status.status === 'io-error',
    disks,
    leftovers: [...new Set(leftovers)],
    foreign: blocks.flatMap((block) => (attachmentOfDevice(block.qdev ?? '') ? [] : (block.qdev ?? []))),
  }
}

/** Of the side that the disk is on, and of the other while it is mirrored there. */
function keysInUse(disk: PluggedDisk, jobs: readonly { readonly id: string }[]): readonly string[] {
  const mirrored = jobs.some(({ id }) => id === mirrorJobOf(disk))
  return mirrored ? [remainsKey(disk), remainsKey(disk, 'second')] : [remainsKey(disk, disk.side)]
}

function pluggedDisk(block: BlockInfo): readonly PluggedDisk[] {
  const { qdev, inserted } = block
  const attachment = attachmentOfDevice(qdev ?? '')
  if (qdev === undefined || !attachment || !inserted) return []
  const [node, bytes] = [inserted['node-name'], inserted.image['virtual-size']]
  const device = qdev.replace(/^\/machine\/peripheral\//, '').replace(/\/virtio-backend$/, '')
  return [{ ...attachment, device, throttleId: qdev, node, side: sideOf(node), bytes, throttle: throttleOf(inserted) }]
}

/** The disk in the terms of the contract; `device` is QEMU's name for it. */
export function backendDisk(disk: PluggedDisk): BackendDisk {
  const { volume, generation, device, bytes, throttle } = disk
  return { volume, generation, device, bytes, throttle }
}

/** The machine in the terms of the contract. */
export function backendVm(id: VmId, view: MachineView | undefined): BackendVm {
  if (!view) return { id, state: 'stopped', disks: [] }
  return { id, state: view.state, disks: view.disks.map(backendDisk) }
}
