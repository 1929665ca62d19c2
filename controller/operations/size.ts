import { Refusal } from '../domain/failures.ts'
import { GIB, inWords } from '../domain/size.ts'
import type { PoolRow } from '../store/generated/schema.ts'
import type { Reader } from '../store/store.ts'
import { poolsOfZone, somePool } from '../store/pools.ts'
import { poolRegistration } from '../store/registrations.ts'
import type { System } from './context.ts'

/** Bytes of a size that a caller gave in GiB. Throws `Refusal` `INVALID` unless it is above 0 and can be counted exactly. */
export function bytesOf(gib: number): number {
  if (!(gib > 0)) throw new Refusal('INVALID', 'Invalid parameter size: it must be above 0 (GiB)')
  const bytes = gib * GIB
  if (!Number.isSafeInteger(bytes)) throw new Refusal('INVALID', 'Invalid parameter size: no storage is that large')
  return bytes
}

/**
 * Refuses a size that no pool of the zone could ever make, however empty. Pools whose plug-in is not loaded are left out; a
 * zone without pools refuses nothing, since one may come before the volume is attached. No I/O to arrays.
 */
export async function checkLargest(
  system: System,
  reader: Reader,
  want: { readonly zone: string; readonly bytes: number },
): Promise<void> {
  // Most sizes are none that a pool minds: one look at any of them is enough then, however many there are.
  const any = await somePool(reader, want.zone)
  if (any && (await makes(system, any, want.bytes))) return
  const rows = (await poolsOfZone(reader, want.zone)).filter((row) => system.plugins.storage.has(row.provider))
  const opened = await Promise.allSettled(
    rows.map((row) => system.plugins.openPool(poolRegistration(system.store, row))),
  )
  // Of a pool that cannot be opened nothing is known, so that it may make volumes of any size.
  if (opened.some(({ status }) => status === 'rejected')) return
  const limits = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value.limits.maxVolumeBytes] : []))
  if (limits.length === 0) return
  const largest = Math.max(...limits)
  if (want.bytes > largest)
    throw new Refusal(
      'INVALID',
      `Invalid parameter size: ${inWords(want.bytes)} is above the largest volume that any storage here makes, ${inWords(largest)}`,
    )
}

async function makes(system: System, row: PoolRow, bytes: number): Promise<boolean> {
  if (!system.plugins.storage.has(row.provider)) return false
  try {
    const { limits } = await system.plugins.openPool(poolRegistration(system.store, row))
    return bytes <= limits.maxVolumeBytes
  } catch {
    // The look at all pools makes of it what is to be made.
    return false
  }
}

/**
 * Bytes of a new volume of an offering: its fixed size, or what the caller chose in GiB. Throws `Refusal` `INVALID` when
 * both are there and differ, or neither is.
 */
export function offeredBytes(
  offering: { readonly bytes: number | null; readonly customized: boolean },
  sizeGib: number | undefined,
): number {
  const asked = sizeGib === undefined ? undefined : bytesOf(sizeGib)
  if (offering.bytes !== null && !offering.customized) {
    if (asked !== undefined && asked !== offering.bytes)
      throw new Refusal(
        'INVALID',
        `Invalid parameter size: the disk offering has the fixed size of ${inWords(offering.bytes)}`,
      )
    return offering.bytes
  }
  if (asked === undefined) throw new Refusal('INVALID', 'Parameter size is needed: the disk offering leaves it to you')
  return asked
}
