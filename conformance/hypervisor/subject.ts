import type {
  Connection,
  Endpoint,
  HypervisorAdapter,
  HypervisorCapability,
  HypervisorPlugin,
  Loaded,
  VmId,
  VolumeId,
} from '@moorage/contract'

/** A volume on some array, exposed to the host under test for writing. */
export interface TestDisk {
  readonly volume: VolumeId
  readonly connection: Connection
  readonly bytes: number
  /** Sessions of the host that are open to it now, as the array sees them. Only with the ability `sessions`. */
  readonly sessions?: () => Promise<number>
  /** Makes it larger at the array; the host is not told. Only with the ability `grow`. */
  readonly grow?: (bytes: number) => Promise<void>
  /** Exposes it to the peer as well; asked again, the same. Only with a peer. */
  readonly atPeer?: () => Promise<PeerDisk>
}

/** A disk as the second host reaches it. */
export interface PeerDisk {
  readonly connection: Connection
  /** Sessions of the second host that are open to it now, as the array sees them. */
  readonly sessions: () => Promise<number>
}

/** A second host of the same kind, to which machines can migrate. */
export interface HypervisorPeer {
  readonly adapter: HypervisorAdapter
  /** I/O inside its machines; there exactly when the bench has `guest`. */
  readonly guest?: GuestIo
}

/** I/O of a guest on one of its disks. Offsets and lengths are multiples of 4096; rejects unless it was acknowledged. */
export interface GuestIo {
  write(at: { readonly vm: VmId; readonly volume: VolumeId; readonly offset: number }, bytes: Uint8Array): Promise<void>
  read(
    at: { readonly vm: VmId; readonly volume: VolumeId; readonly offset: number },
    length: number,
  ): Promise<Uint8Array>
  /** The serial that the guest sees on the disk. */
  serial(at: { readonly vm: VmId; readonly volume: VolumeId }): Promise<string>
}

/**
 * What the kit can use beside the adapter. `sessions`: open sessions can be counted at the array. `grow`: the array can
 * make a disk larger. `guest`: I/O can be done inside a machine. `stranger`: a second adapter on the same host under
 * another ownership mark. `plugin`: the plug-in itself. `peer`: a second host of the same kind.
 */
export type HypervisorAbility = HypervisorCapability | 'sessions' | 'grow' | 'guest' | 'stranger' | 'plugin' | 'peer'

/** One host, ready to be tried. */
export interface HypervisorBench {
  readonly adapter: HypervisorAdapter
  /** A new disk for the host; taken away with the bench. */
  disk(bytes: number): Promise<TestDisk>
  readonly guest?: GuestIo
  readonly stranger?: HypervisorAdapter
  readonly peer?: HypervisorPeer
  readonly plugin?: { readonly plugin: Loaded<HypervisorPlugin>; readonly endpoint: Endpoint }
  /** Called after each case, failed or not: takes the disks away. */
  dispose(): Promise<void>
}

/** What the kit is run against. */
export interface HypervisorSubject {
  /**
   * A bench per case. Several may share one host as long as cases run one after the other; objects that are ours before
   * a case begins are left alone.
   */
  make(): Promise<HypervisorBench>
  /** What it does without, and why. The kit checks that it is really absent: a facet that is there must be tried. */
  readonly lacks: Readonly<Partial<Record<HypervisorAbility, string>>>
  /** Memory of a machine that the host can run. Default 128 MiB. */
  readonly memoryBytes?: number
  /** Boot image with a guest that can be frozen, where machines without one cannot; used by the cases of `quiesce`. */
  readonly image?: string
}
