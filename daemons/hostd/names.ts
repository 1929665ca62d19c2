import type { VolumeId } from '@moorage/contract'

/**
 * Names inside QEMU of what one attachment is made of. They carry volume and generation, so that QEMU itself, and no
 * record beside it, says what a machine has.
 */
export interface DiskNames {
  /** Device: `d-<32 hex digits of the volume>-<generation>`. */
  readonly device: string
  /** Format node, which the device is on. Node names end at 31 characters: 20 digits of the volume, generation base 36. */
  readonly format: string
  /** Protocol node below it: the session to the array. */
  readonly protocol: string
  /** Secret object with the CHAP password. */
  readonly secret: string
}

/** A volume in one generation of its attachment. */
export interface Attachment {
  readonly volume: VolumeId
  readonly generation: number
}

/** The highest generation that fits into a node name. */
export const HIGHEST_GENERATION = 36 ** 8 - 1

/** The names of one attachment. Pure; the same for the same attachment. */
export function namesOf(attachment: Attachment): DiskNames {
  const digits = attachment.volume.replaceAll('-', '')
  const suffix = remainsKey(attachment)
  return {
    device: `d-${digits}-${attachment.generation}`,
    format: `v-${suffix}`,
    protocol: `p-${suffix}`,
    secret: `s-${suffix}`,
  }
}

/** What nodes and secrets of one attachment have in common; shorter than the volume's id. */
export function remainsKey({ volume, generation }: Attachment): string {
  return `${volumeKey(volume)}-${generation.toString(36)}`
}

/** What the remains of all generations of one volume have in common: it begins `remainsKey`, up to the dash. */
export function volumeKey(volume: VolumeId): string {
  return volume.replaceAll('-', '').slice(0, 20)
}

/** Reads a device name, or the QOM path of the device or its back end; `undefined` when it is none of ours. */
export function attachmentOfDevice(device: string): Attachment | undefined {
  const found = /^(?:\/machine\/peripheral\/)?d-([0-9a-f]{32})-(\d+)(?:\/virtio-backend)?$/.exec(device)
  const [, digits, generation] = found ?? []
  if (digits === undefined || generation === undefined) return undefined
  const id = digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  return { volume: id as VolumeId, generation: Number(generation) } // 32 hex digits in groups are a UUID.
}

/** The part that nodes and secrets of one attachment share, read from such a name; `undefined` when it is none of ours. */
export function remainsKeyOf(name: string): string | undefined {
  return /^[vps]-([0-9a-f]{20}-[0-9a-z]+)$/.exec(name)?.[1]
}
