import type { StorageLimits } from '@moorage/contract'

/** Bytes of one GiB, CloudStack's unit of sizes in requests. */
export const GIB = 1024 ** 3

/** Bytes of one MiB, CloudStack's unit of memory. */
export const MIB = 1024 ** 2

/** Rounded up to the granularity of the array. Exact for safe integers. */
export function roundedUp(bytes: number, granularityBytes: number): number {
  const rest = bytes % granularityBytes
  return rest === 0 ? bytes : bytes - rest + granularityBytes
}

/** What a volume of `bytes` becomes on an array: rounded up, and no smaller than the array makes them. */
export function sizeOn(limits: StorageLimits, bytes: number): number {
  return roundedUp(Math.max(bytes, limits.minVolumeBytes), limits.granularityBytes)
}

/** Bytes for people: `10 GiB`, `1.5 GiB`, `300 MiB`, `17 B`. At most two decimals. */
export function inWords(bytes: number): string {
  const unit = UNITS.find(([, size]) => bytes >= size) ?? ['B', 1]
  return `${Number((bytes / unit[1]).toFixed(2))} ${unit[0]}`
}

const UNITS: readonly (readonly [string, number])[] = [
  ['PiB', 1024 ** 5],
  ['TiB', 1024 ** 4],
  ['GiB', GIB],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
]
