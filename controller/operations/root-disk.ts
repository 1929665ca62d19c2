import { randomUUID } from 'node:crypto'
import { Refusal } from '../domain/failures.ts'
import { type AskedQos, volumeQos } from '../domain/qos-terms.ts'
import { inWords } from '../domain/size.ts'
import { ROOT_DEVICE } from '../domain/volume.ts'
import { checkLimits } from '../sagas/limits.ts'
import { soldTerms } from '../sagas/terms.ts'
import { volumeFromSnapshot } from '../sagas/volume-from-snapshot.ts'
import { insertAttachment } from '../store/attachments.ts'
import type { OfferingRow, TemplateRow } from '../store/generated/schema.ts'
import { jsonb } from '../store/json.ts'
import { lastAbout, rootOf } from '../store/root-disks.ts'
import type { Tx } from '../store/store.ts'
import { insertVolume } from '../store/volumes.ts'
import { bytesOf, checkLargest } from './size.ts'
import { type By, submit } from './submit.ts'

/** A root disk to record. `sizeGib` absent: that of the offering, or of the template where that is larger. */
export interface RootRequest {
  readonly account: string
  readonly zone: string
  readonly vm: { readonly id: string; readonly name: string }
  readonly template: TemplateRow
  readonly offering: OfferingRow
  readonly sizeGib?: number
  readonly qos: AskedQos
}

/** Whether machines of the template boot from a disk of their own, and not from what their host holds by name. */
export function isDisk(template: TemplateRow): boolean {
  return template.archiveId !== null
}

/**
 * Records the root disk of a VM, on the QoS terms of its service offering: it is made by an operation of `makeRoot`. Throws
 * `Refusal`: `INVALID` for a size below the template's, or of which no storage makes volumes; `ALLOCATION` above a limit.
 */
export async function addRoot(by: By, tx: Tx, request: RootRequest): Promise<void> {
  const { account, zone, vm, template, offering } = request
  const bytes = rootBytes(request)
  await checkLargest(by.system, tx, { zone, bytes })
  await checkLimits(tx, account, { volumes: 1, primaryBytes: bytes })
  const terms = await soldTerms(tx, offering)
  const volumeId = randomUUID()
  await insertVolume(tx, {
    id: volumeId,
    accountId: account,
    zoneId: zone,
    name: `ROOT-${vm.name}`,
    type: 'ROOT',
    offeringId: offering.id,
    templateId: template.id,
    bytes,
    qosTier: terms.tier,
    qosRequested: jsonb(volumeQos(terms, request.qos, bytes)),
    settings: jsonb(offering.settings),
    state: 'Allocated',
    generation: 1,
  })
  const attached = { desired: 'attached', actual: 'detached' } as const
  await insertAttachment(tx, { volumeId, vmId: vm.id, deviceId: ROOT_DEVICE, generation: 1, ...attached })
}

function rootBytes({ template, offering, sizeGib }: RootRequest): number {
  const least = template.bytes
  if (sizeGib === undefined) return Math.max(offering.bytes ?? 0, least)
  const asked = bytesOf(sizeGib)
  if (asked >= least) return asked
  throw new Refusal(
    'INVALID',
    `Invalid parameter rootdisksize: ${inWords(asked)} is below the size of the template, ${inWords(least)}`,
  )
}

/**
 * Submits what makes the root disk of a VM, where it is not there and nothing is making it already. A start that is submitted
 * next waits for it, and fails where it could not be made.
 */
export async function makeRoot(
  tx: Tx,
  by: By,
  what: { readonly vm: string; readonly command: string; readonly host?: string },
): Promise<void> {
  const root = await rootOf(tx, what.vm)
  if (root?.state !== 'Allocated') return
  const last = await lastAbout(tx, { volume: root.id, saga: volumeFromSnapshot.name })
  if (last?.open === true) return
  await submit(tx, by, {
    command: what.command,
    head: volumeFromSnapshot,
    input: { volume: root.id, ...(what.host === undefined ? {} : { host: what.host }) },
    event: {
      type: 'VOLUME.CREATE',
      description: `Creating volume ${root.name}`,
      account: root.accountId,
      resource: { kind: 'Volume', id: root.id },
    },
  })
}
