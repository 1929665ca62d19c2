import type { VolumeId } from '@moorage/contract'
import type { Counters } from './engine/counters.ts'
import type { Throttles } from './engine/throttles.ts'
import type { Counted } from './state/counters.ts'
import { allocate, type Contender } from './qos/allocator.ts'
import { type Cap, ceilingOf } from './qos/limits.ts'

/** What a volume did up to a moment. */
interface Reading {
  readonly counted: Counted
  readonly at: number
}

/**
 * A cap moves only when it would change by more than this share: QEMU forgets what a volume has used up whenever its
 * limits are set, so that a cap that trembled would let a tenth of a second's worth through each time.
 */
const STEADY = 0.05

/** Keeps guarantees: shares out the pool's operations per second among volumes that are in use, a few times a second. */
export class QosKeeper {
  readonly #capacity: number
  readonly #counters: Counters
  readonly #throttles: Throttles
  #readings: ReadonlyMap<VolumeId, Reading> = new Map()

  constructor(options: { readonly capacity: number; readonly counters: Counters; readonly throttles: Throttles }) {
    this.#capacity = options.capacity
    this.#counters = options.counters
    this.#throttles = options.throttles
  }

  /** True while a volume in use has a guarantee, or still a cap from when one had: rounds are then worth their cost. */
  get isNeeded(): boolean {
    return [...this.#counters.volumes()].some((volume) => {
      const throttle = this.#throttles.of(volume)
      return throttle?.qos.totalIops?.min !== undefined || throttle?.cap !== undefined
    })
  }

  /** One round: what the volumes did since the last becomes their caps until the next. */
  async round(now: number): Promise<void> {
    const before = this.#readings
    const volumes = [...this.#counters.volumes()]
    this.#readings = new Map(volumes.map((volume) => [volume, { counted: this.#counters.total(volume), at: now }]))
    const lately = new Map(volumes.map((volume) => [volume, this.#lately(volume, before.get(volume))]))
    const contenders = volumes.flatMap((volume) => this.#contender(volume, lately.get(volume)))
    const caps = allocate(this.#capacity, contenders)
    for (const volume of volumes) {
      const cap = caps.get(volume) ?? Infinity
      const readShare = lately.get(volume)?.readShare ?? 0.5
      await this.#apply(volume, cap === Infinity ? undefined : { iops: cap, readShare })
    }
  }

  #contender(volume: VolumeId, lately: Lately | undefined): readonly Contender[] {
    const throttle = this.#throttles.of(volume)
    if (!throttle || !lately) return []
    const { qos, cap } = throttle
    const [min, ceiling] = [qos.totalIops?.min ?? 0, ceilingOf(qos)]
    return [{ id: volume, min, ceiling, rate: lately.rate, cap: cap?.iops ?? Infinity }]
  }

  #lately(volume: VolumeId, before: Reading | undefined): Lately | undefined {
    const now = this.#readings.get(volume)
    if (!now || !before || now.at <= before.at) return undefined
    const [one, other] = [before.counted, now.counted]
    const [reads, writes] = [other.readOps - one.readOps, other.writeOps - one.writeOps]
    const bytes = other.readBytes + other.writeBytes - one.readBytes - one.writeBytes
    // A large operation counts as several, as QEMU counts it.
    const size = this.#throttles.of(volume)?.qos.ioBytes ?? Infinity
    const operations = Math.max(reads + writes, bytes / size)
    const seconds = (now.at - before.at) / 1000
    return { rate: operations / seconds, readShare: reads + writes === 0 ? 0.5 : reads / (reads + writes) }
  }

  async #apply(volume: VolumeId, cap: Cap | undefined): Promise<void> {
    const now = this.#throttles.of(volume)?.cap
    if (now === undefined && cap === undefined) return
    if (now && cap && Math.abs(cap.iops - now.iops) <= STEADY * now.iops) return
    await this.#throttles.cap(volume, cap)
  }
}

interface Lately {
  /** Operations per second. */
  readonly rate: number
  /** Share of reads among them, 0 to 1. */
  readonly readShare: number
}
