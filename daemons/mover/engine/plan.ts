import { chunksIn, type ChunkTable, ID_BYTES, isZeroId, SEGMENT_CHUNKS } from '@moorage/archive-format'
import type { Extent } from '@moorage/contract'

/** A volume as it is cut. */
export interface Shape {
  readonly bytes: number
  readonly chunkBytes: number
}

/** What is to be done for one segment. */
export interface SegmentPlan {
  readonly number: number
  /** Ids that are known without reading; zeros elsewhere. */
  readonly ids: Buffer
  /** Chunks that are read: their numbers in the volume. */
  readonly read: readonly number[]
  /** Chunks that are said to be what `ids` says, and are read to see whether that is so. */
  readonly check: readonly number[]
}

/** What a plan is made from. */
export interface Planning {
  readonly shape: Shape
  /** What differs from the base or, without one, from zeros; in order. */
  readonly runs: readonly Extent[]
  /** What is in the archive, and stays. */
  readonly table: ChunkTable
  /** Of the base: its size, and the ids of its segments; absent where everything is read and compared. */
  readonly base?:
    | {
        readonly bytes: number
        readonly dataBytes: number
        /** `unreadable`: nothing is known of the segment, so that all of it is read. */
        ids(segment: number): Promise<Buffer | 'zeros' | 'unreadable'>
      }
    | undefined
  /** From 0 up to 1, as `Math.random`. */
  random(): number
}

/** Of chunks that are said to be unchanged this many are read again, or this share if that is more. */
const CHECKED = { least: 16, share: 1 / 256, holes: 4 } as const

/** Plans segment after segment. A chunk of the base counts only if it is in the archive and stays there. */
export class Planner {
  readonly #planning: Planning
  readonly #chances: { readonly data: number; readonly hole: number }
  #next = 0

  constructor(planning: Planning) {
    this.#planning = planning
    const { shape, base } = planning
    const chunks = Math.max(1, (base?.dataBytes ?? 0) / shape.chunkBytes)
    const all = Math.max(1, shape.bytes / shape.chunkBytes)
    this.#chances = base
      ? { data: Math.max(CHECKED.share, CHECKED.least / chunks), hole: CHECKED.holes / all }
      : { data: 0, hole: 0 }
  }

  /** What is to be read at most, in bytes, without checks. */
  static bytesOf({ runs, shape }: Pick<Planning, 'runs' | 'shape'>): number {
    let [bytes, end] = [0, 0]
    for (const { offset, length, kind } of runs) {
      if (kind === 'zero') continue
      const from = Math.max(end, Math.floor(offset / shape.chunkBytes))
      end = Math.max(end, Math.ceil((offset + length) / shape.chunkBytes))
      bytes += Math.max(0, end - from) * shape.chunkBytes
    }
    return bytes
  }

  /** Segments are planned in order, each once. */
  async plan(number: number): Promise<SegmentPlan> {
    const { shape, base } = this.#planning
    const first = number * SEGMENT_CHUNKS
    const count = chunksIn(number, shape)
    const known = (await base?.ids(number)) ?? 'zeros'
    const ids = Buffer.alloc(count * ID_BYTES)
    if (typeof known === 'object') known.copy(ids)
    const changed = this.#changed(first, count)
    const [read, check]: [number[], number[]] = [[], []]
    for (let index = 0; index < count; index += 1) {
      const id = ids.subarray(index * ID_BYTES, (index + 1) * ID_BYTES)
      const state = changed[index]
      if (state === ZEROED) id.fill(0)
      else if (state === CHANGED || known === 'unreadable' || this.#isStale(first + index, id)) {
        id.fill(0)
        read.push(first + index)
      } else if (this.#planning.random() < (isZeroId(id) ? this.#chances.hole : this.#chances.data)) {
        check.push(first + index)
      }
    }
    return { number, ids, read, check }
  }

  /** An id of the base that does not hold here: its chunk is not there, or it was the last one and was shorter. */
  #isStale(chunk: number, id: Uint8Array): boolean {
    const { base, shape, table } = this.#planning
    if (!base || isZeroId(id)) return false
    const end = Math.min((chunk + 1) * shape.chunkBytes, shape.bytes)
    return (base.bytes < end && base.bytes > chunk * shape.chunkBytes) || !table.has(id)
  }

  /** What the runs say of a segment's chunks. */
  #changed(first: number, count: number): Uint8Array {
    const { shape, runs } = this.#planning
    const states = new Uint8Array(count)
    const [from, to] = [first * shape.chunkBytes, (first + count) * shape.chunkBytes]
    for (; this.#next < runs.length; this.#next += 1) {
      const run = runs[this.#next]
      if (!run || run.offset >= to) break
      mark(states, { run, from, shape })
      // The rest of it lies in the next segment.
      if (run.offset + run.length > to) break
    }
    return states
  }
}

const CHANGED = 1
const ZEROED = 2

function mark(states: Uint8Array, how: { readonly run: Extent; readonly from: number; readonly shape: Shape }): void {
  const { run, from, shape } = how
  const [start, end] = [Math.max(run.offset, from), Math.min(run.offset + run.length, shape.bytes)]
  for (let at = start; at < end;) {
    const index = Math.floor((at - from) / shape.chunkBytes)
    if (index >= states.length) return
    const chunkFrom = from + index * shape.chunkBytes
    const chunkTo = Math.min(chunkFrom + shape.chunkBytes, shape.bytes)
    const whole = run.kind === 'zero' && run.offset <= chunkFrom && end >= chunkTo
    states[index] = whole && states[index] !== CHANGED ? ZEROED : CHANGED
    at = chunkTo
  }
}

/** Chunks that turn out to be others than they were said to be, before the job ends for that. */
const SPARE = 4096

/** How many ids a table must have room for: what is stored, what is read, and the segments. */
export function tableSize(catalog: { readonly chunks: number }, bytes: number, shape: Shape): number {
  return (
    SPARE +
    catalog.chunks +
    Math.ceil(bytes / shape.chunkBytes) +
    Math.ceil(shape.bytes / shape.chunkBytes / SEGMENT_CHUNKS)
  )
}
