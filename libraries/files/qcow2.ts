import { refuse } from './failures.ts'

/** What the head of a qcow2 image says. */
export interface Qcow2Head {
  /** Size of the disk in it. */
  readonly bytes: number
}

/** So much of a file is its head. */
export const QCOW2_HEAD_BYTES = 104

const MAGIC = 0x51_46_49_fb
/** Incompatible features that change nothing outside the file: dirty, compression, extended L2 entries. Others are refused. */
const HARMLESS = 0b1_1001n
const DATA_FILE = 0b100n

/**
 * Reads the head of a qcow2 image that somebody else has made (QEMU's docs/interop/qcow2.txt). Throws `INVALID` for what is
 * none, and for one that must not be opened: it names a backing file or an external data file, which whoever opens it would
 * read as well, or it is encrypted, or has features that we do not know.
 */
export function readQcow2Head(head: Uint8Array): Qcow2Head {
  const view = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  const version = view.length < 72 || view.readUInt32BE(0) !== MAGIC ? undefined : view.readUInt32BE(4)
  if (version !== 2 && version !== 3) throw refuse('INVALID', 'the file is no qcow2 image of version 2 or 3')
  if (view.readBigUInt64BE(8) !== 0n || view.readUInt32BE(16) !== 0)
    throw refuse('INVALID', 'the qcow2 image names a backing file: an image must stand alone')
  if (view.readUInt32BE(32) !== 0) throw refuse('INVALID', 'the qcow2 image is encrypted')
  if (version === 3) refuseFeatures(view)
  const bytes = view.readBigUInt64BE(24)
  if (bytes === 0n || bytes > BigInt(Number.MAX_SAFE_INTEGER))
    throw refuse('INVALID', `the qcow2 image holds a disk of ${bytes} bytes`)
  return { bytes: Number(bytes) }
}

function refuseFeatures(view: Buffer): void {
  if (view.length < QCOW2_HEAD_BYTES) throw refuse('INVALID', 'the qcow2 image is cut short')
  const features = view.readBigUInt64BE(72)
  if ((features & DATA_FILE) !== 0n)
    throw refuse('INVALID', 'the qcow2 image has its data in another file: an image must stand alone')
  if ((features & ~HARMLESS) !== 0n)
    throw refuse(
      'INVALID',
      `the qcow2 image is corrupt, or has features that are not known (0x${features.toString(16)})`,
    )
}
