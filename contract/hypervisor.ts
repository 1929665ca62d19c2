import type { Call, Page } from './call.ts'
import type { AccessMode, Connection, Protocol, Reach } from './connection.ts'
import type { HostId, VmId, VolumeId } from './ids.ts'
import type { AppliedQos, Qos, QosCapability } from './qos.ts'
import type { Endpoint, SettingSpec } from './settings.ts'
import type { VolumeStats } from './storage.ts'

/** What a vendor ships for one kind of hypervisor. Opened once per host. */
export interface HypervisorPlugin {
  readonly kind: 'hypervisor'
  readonly name: string
  readonly title: string
  readonly contract: 1
  /** CloudStack's hypervisor name: `KVM`, `XenServer`, `VMware`, `Simulator`, ... */
  readonly hypervisor: string
  readonly schemes: readonly string[]
  readonly settings: readonly SettingSpec[]
  /** Makes an adapter bound to one host. No I/O; throws `INVALID` naming the setting that is wrong. */
  open(endpoint: Endpoint): HypervisorAdapter
}

/** One host. A capability is a facet that is there. */
export interface HypervisorAdapter {
  /** Protocols over which it attaches disks. */
  readonly accepts: readonly Protocol[]
  readonly limits: HypervisorLimits
  readonly hosts: HostFacet
  readonly vms: VmFacet
  readonly disks: DiskFacet
  readonly inventory: HypervisorInventoryFacet
  readonly resize?: DiskResizeFacet
  readonly throttle?: ThrottleFacet
  readonly stats?: DiskStatsFacet
  readonly quiesce?: QuiesceFacet
  readonly migration?: MigrationFacet
  readonly reach?: ReachFacet
  readonly mirror?: MirrorFacet
}

/** Facets of a hypervisor adapter that may be absent. */
export const HYPERVISOR_CAPABILITIES = [
  'resize',
  'throttle',
  'stats',
  'quiesce',
  'migration',
  'reach',
  'mirror',
] as const satisfies readonly (keyof HypervisorAdapter)[]
/** A name in `HYPERVISOR_CAPABILITIES`. */
export type HypervisorCapability = (typeof HYPERVISOR_CAPABILITIES)[number]

/** Limits as data. */
export interface HypervisorLimits {
  readonly maxDisksPerVm: number
  /** Present with the `throttle` facet. */
  readonly qos?: QosCapability
}

/** A host as it reports itself. */
export interface HostReport {
  /** Stable identity: two registrations with the same identity are the same host. */
  readonly identity: string
  readonly name: string
  readonly cpus: number
  readonly memoryBytes: number
  /** iSCSI name under which its guests' disks log in. */
  readonly initiator: string
  readonly version: string
}

/** Mandatory facet: what the host is. */
export interface HostFacet {
  /** Proves address and credentials. Throws `UNAVAILABLE`, `TIMEOUT` or `DENIED`, effect `none`. */
  report(call: Call): Promise<HostReport>
}

/** A disk of a VM: one attachment of one volume. A call with a generation below the highest seen is `FENCED`. */
export interface DiskSpec {
  readonly volume: VolumeId
  readonly generation: number
  readonly connection: Connection
  readonly mode: AccessMode
  /** Shown to the guest: `serialOf(volume)`. */
  readonly serial: string
  /** CloudStack's device id; 0 is the root disk. */
  readonly deviceId: number
  /** Limits enforced by the hypervisor; `{}` for none. */
  readonly throttle: Qos
}

/**
 * What to run. `image` names a boot image that the host holds; `boot`: it boots from its disk of device id 0 instead. Neither: a
 * machine without a guest.
 */
export interface VmSpec {
  readonly id: VmId
  readonly name: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly image?: string
  readonly boot?: 'disk'
  readonly disks: readonly DiskSpec[]
}

/**
 * A VM as it is. `paused` covers I/O errors that wait for the LUN to come back, and a machine that is on its way: one that
 * was prepared and has not arrived, or was sent.
 */
export interface BackendVm {
  readonly id: VmId
  readonly state: 'running' | 'paused' | 'stopped'
  readonly disks: readonly BackendDisk[]
}

/** A disk as the machine has it. */
export interface BackendDisk {
  readonly volume: VolumeId
  readonly generation: number
  readonly device: string
  readonly bytes: number
  readonly throttle: Qos
}

/** Mandatory facet: machines. Fenced per VM. */
export interface VmFacet {
  /** Idempotent on `spec.id`: running already is success; running with other cpus or memory is `CONFLICT`. */
  start(spec: VmSpec, call: Call): Promise<BackendVm>
  /** `undefined` when the host does not know the VM. */
  get(id: VmId, call: Call): Promise<BackendVm | undefined>
  /** Stopping what does not run succeeds. `force`: pull the plug; else ask the guest first, within the deadline. */
  stop(id: VmId, options: { readonly force: boolean }, call: Call): Promise<void>
  /** The machine and its disks stay; the guest starts anew. */
  reboot(id: VmId, call: Call): Promise<BackendVm>
}

/** Mandatory facet: hot plug. */
export interface DiskFacet {
  /** Idempotent on (vm, volume, generation). Returns once the machine has the disk. `NOT_FOUND` without a running VM. */
  attach(vm: VmId, disk: DiskSpec, call: Call): Promise<BackendDisk>
  /**
   * Returns only when the machine no longer has the disk: its session to the array is closed. Detaching what is not
   * there succeeds. A guest that does not let go ends in `BUSY` with effect `possible`.
   */
  detach(vm: VmId, disk: Pick<DiskSpec, 'volume' | 'generation'>, call: Call): Promise<void>
}

/** One object on the host. */
export type HypervisorInventoryItem = { readonly name: string } & (
  | { readonly kind: 'vm'; readonly owner: 'ours'; readonly id: VmId; readonly state: BackendVm['state'] }
  | {
      readonly kind: 'disk'
      readonly owner: 'ours'
      readonly vm: VmId
      readonly volume: VolumeId
      readonly generation: number
    }
  /**
   * Something made for a disk or machine that should not outlive it: a secret, a storage repository, a mount, a process.
   * `stale`: the host itself knows that it serves nobody.
   */
  | { readonly kind: 'structure'; readonly owner: 'ours'; readonly id: string; readonly stale?: true }
  | { readonly kind: 'vm' | 'disk' | 'structure'; readonly owner: 'foreign' }
)

/** Mandatory facet: everything that is there. */
export interface HypervisorInventoryFacet {
  list(cursor: string | undefined, call: Call): Promise<Page<HypervisorInventoryItem>>
  /** As `InventoryFacet.remove`. */
  remove?(structure: string, call: Call): Promise<void>
}

/** Optional facet: tell a machine that a disk has grown. Idempotent. */
export interface DiskResizeFacet {
  refresh(vm: VmId, disk: { readonly volume: VolumeId; readonly bytes: number }, call: Call): Promise<BackendDisk>
}

/** Optional facet: limits at the hypervisor, changed live and read back. */
export interface ThrottleFacet {
  apply(vm: VmId, disk: { readonly volume: VolumeId; readonly qos: Qos }, call: Call): Promise<AppliedQos>
  read(vm: VmId, volume: VolumeId, call: Call): Promise<Qos>
}

/** Optional facet: I/O counters at the hypervisor; they start anew with the machine. */
export interface DiskStatsFacet {
  read(vm: VmId, volume: VolumeId, call: Call): Promise<VolumeStats>
}

/** Optional facet: hold a guest's writes. The thaw is armed on the host before the freeze: `withinMs` bounds it. */
export interface QuiesceFacet {
  freeze(vm: VmId, options: { readonly withinMs: number }, call: Call): Promise<{ readonly filesystems: number }>
  /** `held` is false when the host had thawed on its own: whatever was taken is not consistent. */
  thaw(vm: VmId, call: Call): Promise<{ readonly held: boolean; readonly frozenMs: number }>
}

/** Whether a host gets to a pool. `why` it does not is for operators. */
export type Reached = { readonly reached: true } | { readonly reached: false; readonly why: string }

/** Optional facet: whether disks of a pool can be attached at all, before any is. Without it that shows with the first one. */
export interface ReachFacet {
  /**
   * Makes ready what all disks of such a pool need on the host, if anything, and looks whether the host gets there.
   * Idempotent; fenced by nothing. That it does not get there is an answer, no error. `UNSUPPORTED`, effect `none`, for a
   * protocol that the host does not accept.
   */
  prepare(reach: Reach, call: Call): Promise<Reached>
}

/** What the source says of a machine, for the destination to make the same. Plain data; only the adapter reads it. */
export type MachineDescription = Readonly<Record<string, unknown>>

/** How the source reaches the machine that the destination has made ready. Plain data; only the adapter reads it. */
export type MigrationTicket = Readonly<Record<string, unknown>>

/** How far a transfer is. `sent`: the source's machine stands still for good, and the destination has all of it. */
export type MigrationProgress =
  | { readonly state: 'sending'; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly state: 'sent' }

/**
 * Optional facet: move a running machine to another host of the same plug-in, in this order: `describe` at the source,
 * `prepare` at the destination, `send` at the source until it has been sent, `arrive` at the destination; then the source
 * is ended by `vms.stop`. The machine runs at the source until it is sent, nowhere until it arrives, then at the
 * destination; it never runs at both. To give up: `abandon` at the destination, and if it had not arrived, `resume` at the
 * source. Every call is fenced per VM on its host, as `vms.start` is; repeating one is harmless.
 */
export interface MigrationFacet {
  /** At the source. Changes nothing. `NOT_FOUND` without a running machine. */
  describe(vm: VmId, call: Call): Promise<MachineDescription>
  /**
   * At the destination: makes a machine that waits, with sessions to its disks, which it neither reads nor writes. Asked
   * again, the same ticket. `CONFLICT` while the machine runs there. What fails leaves nothing.
   */
  prepare(spec: VmSpec, description: MachineDescription, call: Call): Promise<MigrationTicket>
  /**
   * At the source: begins the transfer or joins it, and answers soon how far it is; ask again until it is `sent`. Throws
   * `CONFLICT`, effect `none`, when the transfer failed or the ticket is good no more: the machine runs on, prepare anew.
   */
  send(vm: VmId, ticket: MigrationTicket, call: Call): Promise<MigrationProgress>
  /**
   * At the destination: the machine goes on here. Answers the same once it runs. `BUSY`, effect `none`, before it was sent;
   * `NOT_FOUND` when nothing was prepared, or it was abandoned.
   */
  arrive(vm: VmId, call: Call): Promise<BackendVm>
  /**
   * At the destination, and the only way to learn whether a machine has arrived once an answer was lost: if not, what was
   * prepared is ended with its sessions, and no call with this fence or a lower one makes it arrive any more. A machine
   * that has arrived is left alone.
   */
  abandon(vm: VmId, call: Call): Promise<{ readonly arrived: boolean }>
  /**
   * At the source: ends a transfer that is under way, or takes back what was sent: the machine goes on here. Only once the
   * destination has answered `abandon` by `arrived: false`. `NOT_FOUND` when the machine is gone.
   */
  resume(vm: VmId, call: Call): Promise<BackendVm>
}

/** A copy of one disk of a running machine to somewhere else, on which the disk is to go on. */
export interface MirrorSpec {
  /** Tells mirrors of one disk apart: asked again with it, it is the same mirror. */
  readonly id: string
  readonly volume: VolumeId
  /** Of the attachment; it stays, since nothing is attached anew. */
  readonly generation: number
  /** How the host reaches what the disk is on: to read it beside the machine. */
  readonly source: Connection
  /** How it reaches what the disk is to go on at; no smaller than the disk. */
  readonly target: Connection
}

/** How far a mirror is. `same`: both sides were read, and held the same; whatever the guest writes reaches both. */
export type MirrorProgress =
  | { readonly state: 'copying' | 'comparing'; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly state: 'same' }

/**
 * Optional facet: move a disk of a running machine to another connection under it: `copy` until both sides are the same,
 * then `switch`. Until then the machine reads from the source, and what its guest writes is acknowledged once the source has it;
 * afterwards the source is let go. A machine without a guest will do, so that a volume at rest is moved by one that runs only for
 * that. Every call is fenced as `disks.attach` is, by fence and generation; repeating one is harmless.
 */
export interface MirrorFacet {
  /**
   * Begins the copy or joins it, and answers soon how far it is; ask again until it is `same`. Once all is copied, every write of
   * the guest goes to both sides before it is acknowledged, and then all bytes are read from both, in sessions of their own, and
   * compared. Throws `DAMAGED`, effect `possible`, when they differ for good, `INVALID` for a target that is smaller, `CONFLICT`
   * while another mirror of the disk is under way, or when the copy failed: abandon it. `NOT_FOUND` without the disk. What cannot
   * be begun leaves nothing.
   */
  copy(vm: VmId, mirror: MirrorSpec, call: Call): Promise<MirrorProgress>
  /**
   * The disk goes on at the target, and the session to the source is closed. Answers the same once it has. `BUSY`, effect `none`,
   * before both were the same; `NOT_FOUND` when nothing was begun, or it was abandoned.
   */
  switch(vm: VmId, mirror: Pick<MirrorSpec, 'id' | 'volume' | 'generation'>, call: Call): Promise<BackendDisk>
  /**
   * The only way to learn whether a disk was switched once an answer was lost: if not, the copy is ended with its session to the
   * target, and no call with this fence or a lower one switches any more. A disk that was switched is left alone. `switched: false`
   * for what was never begun, and when the machine is gone.
   */
  abandon(
    vm: VmId,
    mirror: Pick<MirrorSpec, 'id' | 'volume' | 'generation'>,
    call: Call,
  ): Promise<{ readonly switched: boolean }>
}

/** Hosts are addressed by `HostId` outside of adapters; re-exported so that adapters need one import. */
export type { HostId }
