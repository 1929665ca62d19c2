import { Refusal } from '../domain/failures.ts'
import { readQos } from '../domain/qos.ts'
import { type AskedQos, offeredQos, volumeQos } from '../domain/qos-terms.ts'
import { inWords } from '../domain/size.ts'
import { soldTerms } from '../sagas/terms.ts'
import { volumeResize } from '../sagas/volume-resize.ts'
import { volumeStanding } from '../store/queries/standing.ts'
import type { Tx } from '../store/store.ts'
import { offeringById } from '../store/volumes.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { bytesOf, checkLargest } from './size.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** What to change of a volume; absent means as it is. `sizeGib` in GiB. `command`: the one that asks. */
export interface ResizeRequest {
  readonly command: 'resizeVolume' | 'changeOfferingForVolume'
  readonly volume: string
  readonly sizeGib?: number
  readonly offering?: string
  readonly qos: AskedQos
}

/**
 * Submits the change of size, offering or QoS. Refuses to shrink, to change nothing, custom IOPS or another size on an
 * offering that fixes them, and a size that no storage makes.
 */
export async function resizeVolume(by: By, request: ResizeRequest): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const volume = certain(await volumeStanding(tx, request.volume), 'id')
    if (!volume.busy && volume.state !== 'Ready' && volume.state !== 'Allocated')
      throw new Refusal('INVALID', `A volume in state ${volume.state} cannot be resized: it must be Ready or Allocated`)
    const terms = await termsOf(tx, request.offering, volume)
    const bytes = newSize(request, terms)
    if (bytes !== undefined && !volume.busy && bytes < volume.bytes)
      throw new Refusal(
        'INVALID',
        `Invalid parameter size: ${inWords(bytes)} is below the volume's ${inWords(volume.bytes)}, and volumes do not shrink`,
      )
    if (bytes !== undefined) await checkLargest(by.system, tx, { zone: volume.zoneId, bytes })
    const asks = Object.values(request.qos).some((value) => value !== undefined)
    if (bytes === undefined && request.offering === undefined && !asks)
      throw new Refusal('INVALID', 'Nothing to change: give size, diskofferingid, miniops or maxiops')
    // What follows from offering and size is worked out when the change begins: an operation before it may change both.
    const followed = volumeQos(terms.offered, request.qos, bytes ?? volume.bytes)
    const qos = asks ? followed : undefined
    const operation = await submit(tx, by, {
      command: request.command,
      head: volumeResize,
      input: {
        volume: volume.id,
        ...(bytes === undefined ? {} : { bytes }),
        ...(request.offering === undefined ? {} : { offering: request.offering }),
        ...(qos === undefined ? {} : { qos }),
      },
      event: {
        type: 'VOLUME.RESIZE',
        description: `Resizing volume ${volume.name}`,
        account: volume.accountId,
        resource: { kind: 'Volume', id: volume.id },
      },
    })
    return { operation, id: volume.id }
  })
}

type Terms = Awaited<ReturnType<typeof termsOf>>

/** The terms of the new offering; or those under which the volume was bought, with the QoS that it has by now. */
async function termsOf(
  tx: Tx,
  anew: string | undefined,
  volume: { readonly offeringId: string | null; readonly qosRequested: unknown },
) {
  const found = await offeringById(tx, anew ?? volume.offeringId)
  const row = anew === undefined ? found : certain(found, 'diskofferingid')
  if (row === undefined) throw new Refusal('INVALID', 'The volume has no disk offering: give diskofferingid')
  if (row.kind !== 'disk' && anew !== undefined)
    throw new Refusal('INVALID', 'Invalid parameter diskofferingid: it names a service offering')
  return {
    fixedBytes: row.customized ? undefined : (row.bytes ?? undefined),
    offered: anew === undefined ? { ...offeredQos(row), qos: readQos(volume.qosRequested) } : await soldTerms(tx, row),
    anew: anew !== undefined,
  }
}

/** A new offering of a fixed size brings its size along. */
function newSize(request: ResizeRequest, terms: Terms): number | undefined {
  const asked = request.sizeGib === undefined ? undefined : bytesOf(request.sizeGib)
  if (terms.anew && terms.fixedBytes !== undefined) {
    if (asked !== undefined && asked !== terms.fixedBytes)
      throw new Refusal(
        'INVALID',
        `Invalid parameter size: the disk offering has the fixed size of ${inWords(terms.fixedBytes)}`,
      )
    return terms.fixedBytes
  }
  return asked
}
