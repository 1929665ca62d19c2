import { PluginError, type Qos, type VolumeId } from '@moorage/contract'
import { type Cap, limitsOf, qosOf, sameLimits } from '../qos/limits.ts'
import { throttleGroupOf, volumeOfThrottleGroup } from '../state/names.ts'
import type { StorageDaemon } from './qsd.ts'

interface Throttle {
  qos: Qos
  cap: Cap | undefined
  /** How many ask for it to be lifted now. */
  lifted: number
}

/** One throttle group per volume, whether it is exposed or not: QoS is always read where it is enforced. */
export class Throttles {
  readonly #qsd: () => StorageDaemon
  readonly #all = new Map<VolumeId, Throttle>()

  constructor(qsd: () => StorageDaemon) {
    this.#qsd = qsd
  }

  /** Makes the group of a new volume. */
  async add(volume: VolumeId, qos: Qos): Promise<void> {
    this.#all.set(volume, { qos, cap: undefined, lifted: 0 })
    await this.#qsd().addThrottleGroup(throttleGroupOf(volume), this.#limits(volume))
  }

  /** Removes the group, whose volume nobody uses any more. */
  async remove(volume: VolumeId): Promise<void> {
    if (!this.#all.delete(volume)) return
    await this.#qsd().removeObject(throttleGroupOf(volume))
  }

  /** Sets the whole vector and reads it back. Throws `INTERNAL`, effect `possible`, when QEMU made something else of it. */
  async change(volume: VolumeId, qos: Qos): Promise<void> {
    const throttle = this.#all.get(volume)
    if (!throttle) throw new PluginError('INTERNAL', `volume ${volume} has no throttle`, 'none')
    throttle.qos = qos
    await this.#set(volume)
    if (sameLimits(this.#limits(volume), await this.#actual(volume))) return
    throw new PluginError('INTERNAL', `limits of volume ${volume} read back other than set`, 'possible')
  }

  /**
   * What is enforced now. When qemu-storage-daemon has what we set, that is the volume's vector, although the allocator
   * may have put a cap below it for a moment: the cap stands for other volumes' guarantees, and goes with their demand.
   * When it has anything else, somebody changed it, and the answer is what it has.
   */
  async read(volume: VolumeId): Promise<Qos> {
    const actual = await this.#actual(volume)
    const throttle = this.#all.get(volume)
    return throttle && sameLimits(this.#limits(volume), actual) ? throttle.qos : qosOf(actual)
  }

  /** Puts a cap below the volume's own limits, or takes it away. */
  async cap(volume: VolumeId, cap: Cap | undefined): Promise<void> {
    const throttle = this.#all.get(volume)
    if (!throttle) return
    throttle.cap = cap
    await this.#set(volume)
  }

  /** The vector and the cap of a volume; `undefined` when it has no throttle. */
  of(volume: VolumeId): { readonly qos: Qos; readonly cap: Cap | undefined } | undefined {
    return this.#all.get(volume)
  }

  /** Guaranteed operations per second of all volumes but one. */
  guaranteed(except?: VolumeId): number {
    return [...this.#all].reduce((sum, [id, { qos }]) => sum + (id === except ? 0 : (qos.totalIops?.min ?? 0)), 0)
  }

  /** Takes all limits off until the result is called. */
  async lift(volume: VolumeId): Promise<() => Promise<void>> {
    const throttle = this.#all.get(volume)
    if (!throttle) return async () => {}
    throttle.lifted += 1
    await this.#set(volume)
    return async () => {
      throttle.lifted -= 1
      if (this.#all.get(volume) === throttle) await this.#set(volume)
    }
  }

  /** Brings the groups that are there in line with the volumes that are. */
  async align(volumes: ReadonlyMap<VolumeId, Qos>, groups: readonly string[]): Promise<void> {
    const known = new Set<string>(volumes.keys())
    for (const group of groups) {
      const volume = volumeOfThrottleGroup(group)
      if (volume !== undefined && !known.has(volume)) await this.#qsd().removeObject(group)
    }
    this.#all.clear()
    const there = new Set(groups)
    const alignOne = async ([volume, qos]: readonly [VolumeId, Qos]) => {
      const missing = !there.has(throttleGroupOf(volume))
      if (missing) return this.add(volume, qos)
      this.#all.set(volume, { qos, cap: undefined, lifted: 0 })
      // Setting limits anew would give back credit for bursts that was used up.
      if (!sameLimits(this.#limits(volume), await this.#actual(volume))) await this.#set(volume)
    }
    await Promise.all([...volumes].map(alignOne))
  }

  #limits(volume: VolumeId) {
    const throttle = this.#all.get(volume)
    return throttle && throttle.lifted === 0 ? limitsOf(throttle.qos, throttle.cap) : limitsOf({})
  }

  async #set(volume: VolumeId): Promise<void> {
    await this.#qsd().setLimits(throttleGroupOf(volume), this.#limits(volume))
  }

  #actual(volume: VolumeId) {
    return this.#qsd().limits(throttleGroupOf(volume))
  }
}
