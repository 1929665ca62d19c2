import type {
  Connection,
  Endpoint,
  Loaded,
  Qos,
  StorageCapability,
  StoragePlugin,
  StorageProvider,
  VolumeId,
} from '@moorage/contract'

/**
 * A session of an initiator, or whatever reaches the bytes behind a connection. Offsets and lengths are multiples of 4096.
 * Initiators like to wait for a target that has gone: no answer within a few seconds must end in a rejection here. A
 * write that is refused because access is read-only leaves the session usable.
 */
export interface OpenDisk {
  /** Rejects unless the bytes were acknowledged. */
  write(offset: number, bytes: Uint8Array): Promise<void>
  read(offset: number, length: number): Promise<Uint8Array>
  /** Ends the session; one that has ended already is fine. */
  close(): Promise<void>
}

/**
 * What the kit can use beside the provider. `connect`: bytes can be reached without going through the provider.
 * `stranger`: a second provider on the same pool under another ownership mark. `plugin`: the plug-in itself.
 * `console`: QoS can be changed at the array without going through the provider. `paced`: whoever connects feels the
 * limits of a volume.
 */
export type StorageAbility = StorageCapability | 'connect' | 'stranger' | 'plugin' | 'console' | 'paced'

/** One back end, ready to be tried. */
export interface StorageBench {
  readonly provider: StorageProvider
  /** On the same pool, with another `owner`. */
  readonly stranger?: StorageProvider
  /**
   * Logs in exactly as the connection says, initiator name and CHAP included; rejects when it is not let in. Opens
   * read-only what cannot be opened for writing.
   */
  readonly connect?: (connection: Connection) => Promise<OpenDisk>
  /** The plug-in, and the endpoint under which `provider` was opened. */
  readonly plugin?: { readonly plugin: Loaded<StoragePlugin>; readonly endpoint: Endpoint }
  /** What somebody does at the array's own console: the provider is not told. */
  readonly console?: { setQos(volume: VolumeId, qos: Qos): Promise<void> }
  /** True when I/O through `connect` is held to the limits of the volume. */
  readonly paced?: true
  /** Called after each case, failed or not. */
  dispose(): Promise<void>
}

/** What the kit is run against. */
export interface StorageSubject {
  /**
   * A bench per case. Several may share one back end as long as cases run one after the other; objects that are ours
   * before a case begins are left alone.
   */
  make(): Promise<StorageBench>
  /** What it does without, and why. The kit checks that it is really absent: a facet that is there must be tried. */
  readonly lacks: Readonly<Partial<Record<StorageAbility, string>>>
}
