import type { Call } from '@moorage/contract'
import { type Catalog, idText, locate, type Place } from './catalog.ts'
import { isZeroId } from './chunk.ts'
import { damaged, ID_BYTES, SEGMENT_CHUNKS } from './layout.ts'
import type { Archive } from './archive.ts'
import type { Manifest } from './manifest.ts'
import { segmentId, segmentsOf, visitSegments } from './segments.ts'

/** Chunks that lie less than this apart in a pack are read together. */
const GAP_BYTES = 128 * 1024
/** No more than this is read together. */
const READ_BYTES = 8 * 1024 * 1024

/** A chunk that is needed, and where its bytes go: offsets in the volume. */
export interface Needed {
  readonly place: Place
  readonly offsets: readonly number[]
}

/** What is read of one pack at once. */
export interface PackRead {
  readonly offset: number
  readonly length: number
  readonly needed: readonly Needed[]
}

/** A run of a volume. */
export interface ZeroRun {
  readonly offset: number
  readonly length: number
}

/** What is zeros in a snapshot: whole segments of it, then what `planRestore` tells of the others. */
export function zeroSegments(manifest: Manifest): readonly ZeroRun[] {
  const { bytes, chunkBytes } = manifest
  const length = SEGMENT_CHUNKS * chunkBytes
  const numbers = Array.from({ length: segmentsOf(bytes, chunkBytes) }, (_, number) => number)
  return numbers
    .filter((number) => isZeroId(segmentId(manifest, number)))
    .map((number) => ({ offset: number * length, length: Math.min(length, bytes - number * length) }))
}

/** What a segment takes: what is read, and which of its chunks are zeros. */
export interface RestoreStep {
  readonly reads: readonly PackRead[]
  readonly zeros: readonly ZeroRun[]
}

/** Calls `step` with what each segment of a snapshot takes, in order; segments of zeros take nothing. */
export async function planRestore(
  from: { readonly archive: Archive; readonly catalog: Catalog; readonly manifest: Manifest },
  step: (step: RestoreStep) => Promise<void>,
  call: Call,
): Promise<void> {
  const { catalog, manifest } = from
  await visitSegments(
    from,
    async ({ number, ids }) => {
      const offsets = new Map<string, number[]>()
      const zeros: ZeroRun[] = []
      for (let at = 0; at < ids.length; at += ID_BYTES) {
        const id = ids.subarray(at, at + ID_BYTES)
        const offset = (number * SEGMENT_CHUNKS + at / ID_BYTES) * manifest.chunkBytes
        if (isZeroId(id)) {
          zeros.push({ offset, length: Math.min(manifest.chunkBytes, manifest.bytes - offset) })
          continue
        }
        const text = idText(id)
        const known = offsets.get(text)
        if (known) known.push(offset)
        else offsets.set(text, [offset])
      }
      const places = locate(catalog, new Set(offsets.keys()))
      const needed = [...offsets].map(([text, at]): Needed => {
        const place = places.get(text)
        if (place) return { place, offsets: at }
        const chunk = Buffer.from(text, 'latin1').toString('hex')
        throw damaged(`chunk ${chunk}`, `snapshot ${manifest.snapshot} needs it at ${at[0]}, and it is in no pack`)
      })
      await step({ reads: together(needed), zeros: joined(zeros) })
    },
    call,
  )
}

function joined(runs: readonly ZeroRun[]): readonly ZeroRun[] {
  const joined: ZeroRun[] = []
  for (const run of runs) {
    const last = joined.at(-1)
    if (last && last.offset + last.length === run.offset) {
      joined[joined.length - 1] = { offset: last.offset, length: last.length + run.length }
    } else joined.push(run)
  }
  return joined
}

/** Joins what lies close together in a pack. */
function together(needed: readonly Needed[]): readonly PackRead[] {
  const ordered = needed.toSorted(({ place: one }, { place: other }) =>
    one.footer === other.footer ? one.offset - other.offset : one.footer.pack < other.footer.pack ? -1 : 1,
  )
  const reads: PackRead[] = []
  for (const one of ordered) {
    const { offset, length, footer } = one.place
    const last = reads.at(-1)
    const end = last ? last.offset + last.length : 0
    const near = last?.needed[0]?.place.footer === footer && offset - end < GAP_BYTES
    if (last && near && offset + length - last.offset <= READ_BYTES) {
      const all = [...last.needed, one]
      reads[reads.length - 1] = { offset: last.offset, length: offset + length - last.offset, needed: all }
    } else reads.push({ offset, length, needed: [one] })
  }
  return reads
}
