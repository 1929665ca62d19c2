import { serialOf, type VolumeId } from '@moorage/contract'
import { text, type Api } from '../api.ts'
import { deviation, mean, readRates, sum, type Guest } from '../guest.ts'
import { until } from '../process.ts'
import type { Terminal } from '../terminal.ts'
import type { Verifier } from '../verifier.ts'
import { type Measured, mostOperations, readBurst, type Sold } from './burst.ts'
import type { Cloud } from './ground.ts'

/** What the steps of the real tour use. */
export interface Tour {
  readonly api: Api
  readonly out: Terminal
  readonly cloud: Cloud
  readonly guest: Guest
  readonly verifier: Verifier
}

/** A volume that the tour made, with the serial under which the guest sees it. */
export interface TourVolume {
  readonly id: string
  readonly serial: string
}

/** What a disk may do, as sold; operations per second. */
const SILVER = { min: 100, max: 200, burst: 400, burstSeconds: 6 } as const
/** The offering to which the volume changes while it is in use. */
const GOLD = { min: 100, max: 300 } as const

const TOLERANCE_PERCENT = 5
const MOST_TIMES = 5
const LOAD_SECONDS = 18
/** The samples are a second only about: their sum may be off by a part of one. */
const MOST_OVER = 1.05

/** Creates the volume and attaches it: a record first, an array volume at the first attach, then a disk in the guest. */
export async function createAndAttach(tour: Tour): Promise<TourVolume> {
  const { api, out, cloud, guest } = tour
  let id = ''
  await out.step('createVolume', async () => {
    const offering = await offeringOf(api, 'tour-silver', {
      miniops: SILVER.min,
      maxiops: SILVER.max,
      burstiops: SILVER.burst,
      burstseconds: SILVER.burstSeconds,
    })
    const volume = await api.run('createVolume', {
      name: 'tour',
      zoneid: cloud.zone,
      diskofferingid: offering,
      size: 1,
    })
    id = text(volume, 'id')
    must(volume['state'] === 'Allocated', `a new volume is Allocated, not ${String(volume['state'])}`)
    return 'Allocated: nothing on the array yet'
  })
  const serial = serialOf(id as VolumeId) // Ids of volumes come from the API as text.
  await out.step('attachVolume', async () => {
    const volume = await api.run('attachVolume', { id, virtualmachineid: cloud.vm })
    must(volume['state'] === 'Ready', `an attached volume is Ready, not ${String(volume['state'])}`)
    return `Ready, device ${String(volume['deviceid'])}, ${String(volume['miniops'])}/${String(volume['maxiops'])} IOPS`
  })
  await out.step('disk in the guest, by serial', async () => {
    const disk = await guest.disk(serial)
    return `/dev/${disk}, serial ${serial}`
  })
  return { id, serial }
}

/** Makes a file system and a pattern in it; answers the pattern's digest as the guest computed it. */
export async function writePattern(tour: Tour, volume: TourVolume): Promise<string> {
  let digest = ''
  await tour.out.step('mkfs and a pattern, in the guest', async () => {
    const disk = await tour.guest.disk(volume.serial)
    const printed = await tour.guest.sh(
      `mkfs.ext4 -q -F /dev/${disk} && mkdir -p /mnt/tour && mount /dev/${disk} /mnt/tour && yes moorage-${volume.serial} | head -c 16777216 > /mnt/tour/pattern && sync && sha256sum /mnt/tour/pattern`,
      120_000,
    )
    digest = printed.trim().split(' ')[0] ?? ''
    return `16 MiB, sha256 ${digest.slice(0, 16)}`
  })
  return digest
}

/** Measures in the guest what the SAN lets through, against what was sold; then changes it under load and measures again. */
export async function measureQos(tour: Tour, volume: TourVolume): Promise<void> {
  const { api, out, guest } = tour
  const read = async (seconds: number) => {
    const device = await guest.disk(volume.serial)
    return (await readRates(guest, { device, file: '/mnt/tour/pattern', seconds })).perSecond
  }
  await out.step('IOPS against the offering', () =>
    settled(async () => {
      // Credit for the whole burst is there again after as long a rest.
      await guest.sh(`sleep ${2 * SILVER.burstSeconds}`)
      const perSecond = await read(LOAD_SECONDS)
      mayPass(perSecond, SILVER)
      return readBurst(perSecond, SILVER)
    }),
  )
  await out.step('QoS changed while in use, measured again', async () => {
    const offering = await offeringOf(api, 'tour-gold', { miniops: GOLD.min, maxiops: GOLD.max })
    const changed = await api.run('resizeVolume', { id: volume.id, diskofferingid: offering })
    must(changed['maxiops'] === GOLD.max, 'the volume says its new maximum')
    return settled(async () => {
      const perSecond = await read(8)
      mayPass(perSecond, { ...GOLD, burst: GOLD.max, burstSeconds: 0 })
      return [{ what: 'IOPS', measured: mean(perSecond.slice(-5)), sold: GOLD.max }]
    })
  })
}

/** More than was sold is never forgiven, whatever the machine is busy with. */
function mayPass(perSecond: readonly number[], sold: Sold): void {
  const [passed, most] = [sum(perSecond), mostOperations(sold, perSecond.length)]
  must(passed <= most * MOST_OVER, `no more than was sold passed: ${passed.toFixed(0)} operations, ${most} at most`)
}

/**
 * Measures until all lies within the tolerance, a few times at the most, and says how often: an emulated guest pauses
 * when others want the processor, and then uses the credit that it saved meanwhile.
 */
async function settled(measure: () => Promise<readonly Measured[] | undefined>): Promise<string> {
  for (let times = 1; ; times += 1) {
    const found = await measure()
    const off = found?.filter(({ measured, sold }) => deviation(measured, sold) > TOLERANCE_PERCENT)
    const words = found?.map(({ what, measured, sold }) => `${what} ${measured.toFixed(0)} of ${sold}`).join(', ')
    if (off?.length === 0) return times === 1 ? `${words}` : `${words} (measured ${times} times: the machine was busy)`
    must(times < MOST_TIMES, `within ${TOLERANCE_PERCENT} % of what was sold: ${words ?? 'the burst had no end'}`)
  }
}

/** Who has no business on the SAN is refused by it, whatever Moorage thinks. */
export async function tryToBreakIn(tour: Tour, volume: TourVolume): Promise<void> {
  await tour.out.step('wrong secret and foreign initiator refused', async () => {
    const said = await tour.verifier.refusals(volume.id)
    return `${said.wrongSecret}; ${said.foreignInitiator}`
  })
}

/** Grows the volume under the guest. */
export async function resize(tour: Tour, volume: TourVolume): Promise<void> {
  const { api, out, guest } = tour
  await out.step('resize seen in the guest', async () => {
    await api.run('resizeVolume', { id: volume.id, size: 2 })
    const disk = await guest.disk(volume.serial)
    await until(
      async () => ((await guest.sh(`cat /sys/block/${disk}/size`)).trim() === String(2 ** 31 / 512) ? true : undefined),
      { what: 'the guest to see 2 GiB', withinMs: 20_000, everyMs: 100 },
    )
    return '1 GiB -> 2 GiB'
  })
}

/** An offering by name, made where it is not there yet. */
async function offeringOf(api: Api, name: string, qos: Readonly<Record<string, number>>): Promise<string> {
  const known = (await api.list('listDiskOfferings', { name }))[0]
  return text(
    known ?? (await api.run('createDiskOffering', { name, displaytext: name, customized: true, tags: 'san', ...qos })),
    'id',
  )
}

/** Throws unless it holds. */
export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`not so: ${what}`)
}
