import { type CounterRows, type Counted, NOTHING, plus, type Tap } from '../state/counters.ts'
import type { VolumeId } from '@moorage/contract'
import { readQuietly } from './processes.ts'

/**
 * I/O of volumes, counted where tgtd does it. tgtd's own counters belong to a session and are gone with it, before
 * anybody can read what a short session did. Its workers serve one LUN each and call nothing but pread and pwrite, one
 * per SCSI command, and the kernel counts those per thread (proc(5), /proc/pid/io) for as long as the worker lives.
 */
export class Counters {
  readonly #rows: CounterRows
  readonly #taps = new Map<string, Tap>()

  constructor(rows: CounterRows) {
    this.#rows = rows
    for (const tap of rows.taps()) this.#taps.set(tap.outlet, tap)
  }

  /** Counts the workers of an outlet from now on. Earlier ones, gone with their tgtd, stay in the sum. */
  async begin(tap: Omit<Tap, 'seen'>): Promise<void> {
    await this.end(tap.outlet)
    const begun = { ...tap, seen: NOTHING }
    this.#taps.set(tap.outlet, begun)
    this.#rows.save([begun])
  }

  /** Reads the workers of an outlet a last time and adds them to the volume. Call it before they go. Idempotent. */
  async end(outlet: string): Promise<void> {
    const tap = this.#taps.get(outlet)
    if (!tap) return
    this.#rows.end(await sampled(tap))
    this.#taps.delete(outlet)
  }

  /** True while the workers of an outlet are counted, all of them alive in this tgtd. */
  async isCounting(outlet: string, tgtd: string): Promise<boolean> {
    const tap = this.#taps.get(outlet)
    return tap?.tgtd === tgtd && (await readTap(tap)) !== undefined
  }

  /**
   * Reads the workers of one volume, or of all, in memory only: what a worker did up to then is not lost when it is killed.
   */
  async sample(volume?: VolumeId): Promise<void> {
    for (const tap of this.#taps.values()) {
      if (volume !== undefined && tap.volume !== volume) continue
      const now = await sampled(tap)
      if (this.#taps.get(tap.outlet) === tap) this.#taps.set(tap.outlet, now)
    }
  }

  /** The sum of a volume as of the last sample. */
  total(volume: VolumeId): Counted {
    const taps = [...this.#taps.values()].filter((tap) => tap.volume === volume)
    return taps.reduce((sum, { seen }) => plus(sum, seen), this.#rows.counted(volume))
  }

  /** Volumes that have workers. */
  volumes(): ReadonlySet<VolumeId> {
    return new Set([...this.#taps.values()].map(({ volume }) => volume))
  }

  /** Makes what was sampled durable, so that no later answer can be below an earlier one. */
  save(volume?: VolumeId): void {
    const taps = [...this.#taps.values()]
    this.#rows.save(volume === undefined ? taps : taps.filter((tap) => tap.volume === volume))
  }
}

async function sampled(tap: Tap): Promise<Tap> {
  const now = await readTap(tap)
  // A worker that is gone cannot be read; what was last seen stands. Nor may a sum go down while one thread ends.
  return now && now.readOps >= tap.seen.readOps && now.writeOps >= tap.seen.writeOps ? { ...tap, seen: now } : tap
}

async function readTap({ tgtd, threads }: Tap): Promise<Counted | undefined> {
  const [pid] = tgtd.split(':')
  let sum = NOTHING
  for (const thread of threads) {
    const text = await readQuietly(`/proc/${pid}/task/${thread}/io`)
    if (text === undefined) return undefined
    const field = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
    sum = plus(sum, {
      readOps: field('syscr'),
      writeOps: field('syscw'),
      readBytes: field('rchar'),
      writeBytes: field('wchar'),
    })
  }
  return threads.length === 0 ? undefined : sum
}
