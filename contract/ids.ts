declare const kind: unique symbol

/** An id of one kind: a lower-case UUID made by Moorage. Ids of different kinds do not mix. */
export type Id<Kind extends string> = string & { readonly [kind]: Kind }
/** Id of a volume: also the root of its name on the back end and of the disk serial that the guest sees. */
export type VolumeId = Id<'volume'>
/** Id of a snapshot. */
export type SnapshotId = Id<'snapshot'>
/** Id of a pool. */
export type PoolId = Id<'pool'>
/** Id of a hypervisor host. */
export type HostId = Id<'host'>
/** Id of a virtual machine. */
export type VmId = Id<'vm'>

/**
 * The serial under which a guest sees a volume: the first 20 hexadecimal digits of its id, because virtio-blk
 * carries 20 bytes of serial and no more. 80 bits keep accidental collisions out of reach of any one guest.
 */
export function serialOf(volume: VolumeId): string {
  return volume.replaceAll('-', '').slice(0, 20)
}
