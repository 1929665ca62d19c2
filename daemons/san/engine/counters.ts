import { readFileSync } from 'node:fs'
import type { VolumeId } from '@moorage/contract'
import { type CounterRows, type Counted, NOTHING, plus, type Tap } from '../state/counters.ts'

/**
 * I/O of volumes, counted where tgtd does it. tgtd's own counters belong to a session and are gone with it, before
 * anybody can read what a short session did. Its workers serve one LUN each and call nothing but pread and pwrite, one
 * per SCSI command, and the kernel counts those per thread (proc(5), /proc/pid/io) for as long as the worker lives.
 */
export class Counters {
  readonly #rows: CounterRows
  readonly #taps = new Map<string, Tap>()
  /** The tgtd that runs. Workers of an earlier one are gone: what was last seen of them stands. */
  #tgtd: string | undefined

  constructor(rows: CounterRows) {
    this.#rows = rows
    for (const tap of rows.taps()) this.#taps.set(tap.outlet, tap)
  }

  /** Tells which tgtd runs now. */
  follow(tgtd: string): void {
    this.#tgtd = tgtd
  }

  /** Counts the workers of an outlet from now on. Earlier ones, gone with their tgtd, stay in the sum. */
  begin(tap: Omit<Tap, 'seen'>): void {
    this.end(tap.outlet)
    const begun = { ...tap, seen: NOTHING }
    this.#taps.set(tap.outlet, begun)
    this.#rows.save([begun])
  }

  /** Reads the workers of an outlet a last time and adds them to the volume. Call it before they go. Idempotent. */
  end(outlet: string): void {
    const tap = this.#taps.get(outlet)
    if (!tap) return
    this.#rows.end(this.#sampled(tap))
    this.#taps.delete(outlet)
  }

  /** True while the workers of an outlet are counted, all of them alive. */
  isCounting(outlet: string): boolean {
    const tap = this.#taps.get(outlet)
    return tap !== undefined && this.#read(tap) !== undefined
  }

  /**
   * Reads the workers of one volume, or of all, in memory only: what a worker did up to then is not lost when it is
   * killed. Reading these files never blocks and takes some 20 us each.
   */
  sample(volume?: VolumeId): void {
    for (const tap of this.#taps.values()) {
      if (volume === undefined || tap.volume === volume) this.#taps.set(tap.outlet, this.#sampled(tap))
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

  #sampled(tap: Tap): Tap {
    const now = this.#read(tap)
    return now ? { ...tap, seen: now } : tap
  }

  #read({ tgtd, threads }: Tap): Counted | undefined {
    if (tgtd !== this.#tgtd || threads.length === 0) return undefined
    const [pid] = tgtd.split(':')
    try {
      return threads
        .map((thread) => parseIo(readFileSync(`/proc/${pid}/task/${thread}/io`, 'utf8')))
        .reduce((sum, each) => plus(sum, each), NOTHING)
    } catch {
      // A thread that has ended, or is just ending, cannot be read.
      return undefined
    }
  }
}

function parseIo(text: string): Counted {
  const fields = new Map(
    text
      .split('\n')
      .map((line) => line.split(': '))
      .map(([name = '', value]) => [name, Number(value)]),
  )
  const field = (name: string) => fields.get(name) ?? 0
  return {
    readOps: field('syscr'),
    writeOps: field('syscw'),
    readBytes: field('rchar'),
    writeBytes: field('wchar'),
  }
}
