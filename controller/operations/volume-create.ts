import type { Qos } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { readQos, type WantedTier } from '../domain/qos.ts'
import { type AskedQos, volumeQos } from '../domain/qos-terms.ts'
import { inWords } from '../domain/size.ts'
import { checkLimits } from '../sagas/limits.ts'
import { soldTerms } from '../sagas/terms.ts'
import { volumeAttach } from '../sagas/volume-attach.ts'
import { volumeCreate } from '../sagas/volume-create.ts'
import { volumeFromSnapshot } from '../sagas/volume-from-snapshot.ts'
import type { OfferingRow } from '../store/generated/schema.ts'
import { jsonb } from '../store/json.ts'
import { zoneNow } from '../store/queries/places.ts'
import { snapshotStanding, vmStanding } from '../store/queries/standing.ts'
import { archiveCopyOf, arrayCopyOf } from '../store/snapshots.ts'
import type { Tx } from '../store/store.ts'
import { insertVolume, offeringById, volumeById } from '../store/volumes.ts'
import { certain, openZone } from './certain.ts'
import type { Submitted } from './context.ts'
import { freshId, ID_TAKEN } from './custom-id.ts'
import { bytesOf, checkLargest, offeredBytes } from './size.ts'
import { type By, carriedOut, submit } from './submit.ts'
import { unlessTaken } from './taken.ts'

/** A volume to create, for `account`. `sizeGib` in GiB. One of `offering` and `snapshot` is needed. */
export interface VolumeRequest {
  readonly account: string
  readonly zone?: string
  readonly name?: string
  readonly sizeGib?: number
  readonly offering?: string
  readonly snapshot?: string
  /** Attach it to this VM in the same operation. */
  readonly vm?: string
  /** The id it shall have: a UUID chosen by an administrator. */
  readonly customId?: string
  readonly qos: AskedQos
  readonly display?: boolean
}

/**
 * Records the volume and submits what makes it: nothing for a volume that is to live somewhere at its first attach; the
 * copy of a snapshot; or the attachment. Refuses what cannot come about, naming the parameter.
 */
export async function createVolume(by: By, request: VolumeRequest): Promise<Submitted> {
  return await unlessTaken(ID_TAKEN, () =>
    carriedOut(by, async (tx) => {
      const { zone, offering, bytes, qos, tier } = await decide(by, tx, request)
      const id = await freshId(
        by.caller,
        request.customId,
        async (chosen) => (await volumeById(tx, chosen)) !== undefined,
      )
      await checkLimits(tx, request.account, { volumes: 1, primaryBytes: bytes })
      const name = request.name ?? id
      await insertVolume(tx, {
        id,
        accountId: request.account,
        zoneId: zone,
        name,
        type: 'DATADISK',
        offeringId: offering.id,
        bytes,
        qosTier: tier,
        qosRequested: jsonb(qos),
        settings: jsonb(offering.settings),
        state: 'Allocated',
        sourceSnapshotId: request.snapshot ?? null,
        customId: request.customId !== undefined,
        display: request.display ?? true,
      })
      const operation = await submitMaking(tx, by, { id, name, request })
      return { operation, id }
    }),
  )
}

/** Where it is to be, of what terms and size; or why it cannot be. */
async function decide(
  by: By,
  tx: Tx,
  request: VolumeRequest,
): Promise<{
  readonly zone: string
  readonly offering: OfferingRow
  readonly bytes: number
  readonly qos: Qos
  readonly tier: WantedTier
}> {
  const source = await sourceOf(tx, request)
  const vm = request.vm === undefined ? undefined : certain(await vmStanding(tx, request.vm), 'virtualmachineid')
  const zone = await zoneOf(tx, by, request.zone ?? source?.zone ?? vm?.zoneId)
  if (source !== undefined && source.zone !== zone)
    throw new Refusal('INVALID', 'Invalid parameter zoneid: the snapshot is in another zone')
  if (vm !== undefined && vm.zoneId !== zone)
    throw new Refusal('INVALID', 'The volume and the virtual machine are in different zones')
  if (vm !== undefined && vm.accountId !== request.account && by.caller.role !== 'admin')
    throw new Refusal('DENIED', 'The volume and the virtual machine belong to different accounts')
  const offering = await offeringOf(tx, request.offering, source?.offering)
  const bytes = sizeOf(request, { offering, source })
  await checkLargest(by.system, tx, { zone, bytes })
  // The copy of a volume is sold on the volume's terms, its own IOPS included, unless others are named.
  const terms = await soldTerms(tx, offering)
  const own = request.offering === undefined && source !== undefined ? source : terms
  const qos = volumeQos({ ...terms, qos: own.qos }, request.qos, bytes)
  return { zone, offering, bytes, qos, tier: own.tier }
}

function submitMaking(
  tx: Tx,
  by: By,
  made: { readonly id: string; readonly name: string; readonly request: VolumeRequest },
): Promise<string> {
  const { id: volume, name, request } = made
  const common = {
    command: 'createVolume',
    event: {
      type: 'VOLUME.CREATE',
      description: `Creating volume ${name}`,
      account: request.account,
      resource: { kind: 'Volume', id: volume },
    },
  }
  if (request.vm !== undefined)
    return submit(tx, by, { ...common, head: volumeAttach, input: { volume, vm: request.vm } })
  if (request.snapshot === undefined) return submit(tx, by, { ...common, head: volumeCreate, input: { volume } })
  return submit(tx, by, { ...common, head: volumeFromSnapshot, input: { volume, snapshot: request.snapshot } })
}

interface Source {
  readonly zone: string
  readonly bytes: number
  readonly offering: string | null
  /** What its volume was given. */
  readonly qos: Qos
  readonly tier: WantedTier
}

async function sourceOf(tx: Tx, { snapshot, vm }: VolumeRequest): Promise<Source | undefined> {
  if (snapshot === undefined) return undefined
  const row = certain(await snapshotStanding(tx, snapshot), 'snapshotid')
  const onArray = (await arrayCopyOf(tx, snapshot)) !== undefined
  if (!row.busy && (row.state !== 'BackedUp' || (!onArray && (await archiveCopyOf(tx, snapshot)) === undefined)))
    throw new Refusal('INVALID', `A volume cannot be made from a snapshot in state ${row.state}: it must be BackedUp`)
  if (!row.busy && !onArray && vm !== undefined)
    throw new Refusal(
      'INVALID',
      'Invalid parameter virtualmachineid: the snapshot is in secondary storage. Create the volume first, then attach it',
    )
  const { zoneId: zone, bytes, volumeOfferingId: offering, volumeQosTier: tier } = row
  return { zone, bytes, offering, qos: readQos(row.volumeQos), tier }
}

async function zoneOf(tx: Tx, { caller }: By, id: string | undefined): Promise<string> {
  if (id === undefined)
    throw new Refusal('INVALID', 'Unable to execute API command createvolume due to missing parameter zoneid')
  return openZone(await zoneNow(tx, id), caller).id
}

async function offeringOf(
  tx: Tx,
  asked: string | undefined,
  ofSource: string | null | undefined,
): Promise<OfferingRow> {
  const offering = await offeringById(tx, asked ?? ofSource ?? null)
  // The terms of the snapshot's volume hold on for its copies, also when the offering is not sold any more.
  const found = asked === undefined ? offering : certain(offering, 'diskofferingid')
  if (found === undefined)
    throw new Refusal('INVALID', 'Either parameter diskofferingid or parameter snapshotid is needed')
  if (asked !== undefined && found.kind !== 'disk')
    throw new Refusal('INVALID', 'Invalid parameter diskofferingid: it names a service offering')
  return found
}

function sizeOf(
  request: VolumeRequest,
  from: { readonly offering: OfferingRow; readonly source: Source | undefined },
): number {
  const { offering, source } = from
  if (source !== undefined) {
    const asked = request.sizeGib === undefined ? undefined : bytesOf(request.sizeGib)
    if (asked !== undefined && asked < source.bytes)
      throw new Refusal(
        'INVALID',
        `Invalid parameter size: it is below the size of the snapshot, ${inWords(source.bytes)}`,
      )
    return asked ?? source.bytes
  }
  return offeredBytes(offering, request.sizeGib)
}
