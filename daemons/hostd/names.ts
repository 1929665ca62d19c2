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

/**
 * Of the two sets of nodes that one attachment can have: it begins on the first, and each mirror takes it to the other.
 */
export type Side = 'first' | 'second'

/** The names of one attachment on that side. Pure; the same for the same attachment. */
export function namesOf(attachment: Attachment, side: Side = 'first'): DiskNames {
  const digits = attachment.volume.replaceAll('-', '')
  const device = `d-${digits}-${attachment.generation}`
  return { device, ...nodesOf(remainsKey(attachment, side)) }
}

/** Nodes and secret that share this part of their names. */
export function nodesOf(key: string): Pick<DiskNames, 'format' | 'protocol' | 'secret'> {
  const [base, second] = [key.replace(SECOND, ''), key.endsWith(SECOND)]
  const [format, protocol, secret] = second ? ['w', 'q', 't'] : ['v', 'p', 's']
  return { format: `${format}-${base}`, protocol: `${protocol}-${base}`, secret: `${secret}-${base}` }
}

/** Ends the key of the second side. */
const SECOND = '~'

/** The side that a node of that name is on. */
export function sideOf(node: string): Side {
  return /^[wqt]-/.test(node) ? 'second' : 'first'
}

/** The job in QEMU that mirrors the disk of an attachment. */
export function mirrorJobOf(attachment: Attachment): string {
  return `m-${remainsKey(attachment)}`
}

/** What nodes and secrets of one attachment have in common; shorter than the volume's id. */
export function remainsKey({ volume, generation }: Attachment, side: Side = 'first'): string {
  return `${volumeKey(volume)}-${generation.toString(36)}${side === 'second' ? SECOND : ''}`
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
  const [, letter = '', base] = /^([vpswqt])-([0-9a-f]{20}-[0-9a-z]+)$/.exec(name) ?? []
  return base === undefined || sideOf(`${letter}-`) === 'first' ? base : `${base}${SECOND}`
}
