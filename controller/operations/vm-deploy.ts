import { randomUUID } from 'node:crypto'
import { Refusal } from '../domain/failures.ts'
import { type AskedQos, volumeQos } from '../domain/qos-terms.ts'
import { MOST_CARDS } from '../domain/stand-in.ts'
import { nextDeviceId } from '../domain/volume.ts'
import { checkLimits } from '../sagas/limits.ts'
import { soldTerms } from '../sagas/terms.ts'
import { vmCreate } from '../sagas/vm-create.ts'
import { serviceOffering } from '../sagas/vm-scale.ts'
import { vmStart } from '../sagas/vm-start.ts'
import { insertAttachment } from '../store/attachments.ts'
import type { TemplateRow } from '../store/generated/schema.ts'
import { hostById } from '../store/hosts.ts'
import { jsonb } from '../store/json.ts'
import { templateNow, zoneNow } from '../store/queries/places.ts'
import type { Tx } from '../store/store.ts'
import { insertVm, vmById } from '../store/vms.ts'
import { insertVolume, offeringById } from '../store/volumes.ts'
import { certain, openZone } from './certain.ts'
import type { Submitted } from './context.ts'
import { freshId, ID_TAKEN } from './custom-id.ts'
import { addRoot, isDisk, makeRoot } from './root-disk.ts'
import { checkLargest, offeredBytes } from './size.ts'
import { type By, carriedOut, submit } from './submit.ts'
import { unlessTaken } from './taken.ts'
import { HOST_DENIED } from './vm-start.ts'

/** A VM to make, for `account`. */
export interface VmRequest {
  readonly account: string
  readonly zone: string
  readonly offering: string
  readonly template: string
  /** Absent: made from the id. */
  readonly name?: string
  readonly displayName?: string
  readonly hypervisor?: string
  /** Of its root disk, where the template is one; `sizeGib` in GiB. */
  readonly root: { readonly sizeGib?: number; readonly qos: AskedQos }
  /** A data disk to go with it; `sizeGib` in GiB. */
  readonly disk?: { readonly offering: string; readonly sizeGib?: number; readonly qos: AskedQos }
  /** Only this host will do: for administrators. */
  readonly host?: string
  readonly start: boolean
  readonly userData?: string
  readonly customId?: string
  /** Stand-ins of networks, recorded as cards that nobody makes. */
  readonly networks?: readonly string[]
}

/**
 * Records a VM, with its root disk where the template is one and its data disk if there is to be one, and submits what makes
 * the root disk, and its start, which is the job. The VM stays when either fails: Stopped, to be started again or destroyed.
 */
export async function deployVm(by: By, request: VmRequest): Promise<Submitted> {
  return await unlessTaken(ID_TAKEN, () =>
    carriedOut(by, async (tx) => {
      const zone = openZone(await zoneNow(tx, request.zone), by.caller)
      const offering = serviceOffering(certain(await offeringById(tx, request.offering), 'serviceofferingid'))
      const template = await templateOf(tx, request, zone.id)
      await checkHost(by, tx, request)
      const id = await freshId(by.caller, request.customId, async (id) => (await vmById(tx, id)) !== undefined)
      const { cpus, memoryBytes: memory } = offering
      await checkLimits(tx, request.account, { vms: 1, cpus, memory })
      const name = nameOf(request.name, id)
      await insertVm(tx, {
        id,
        accountId: request.account,
        zoneId: zone.id,
        name,
        displayName: request.displayName ?? name,
        offeringId: offering.id,
        templateId: template.id,
        hypervisor: template.hypervisor,
        state: 'Stopped',
        cpus: offering.cpus,
        memoryBytes: offering.memoryBytes,
        userData: request.userData ?? null,
        ha: offering.ha,
        networkIds: cardsIn(request.networks),
      })
      const made = { id, name }
      if (isDisk(template)) await addRoot(by, tx, { ...request, ...request.root, vm: made, template, offering })
      if (request.disk) await addDisk(by, tx, { request, disk: request.disk, vm: id, name })
      const operation = await submitStart(tx, by, { request, vm: made })
      return { operation, id }
    }),
  )
}

async function submitStart(
  tx: Tx,
  by: By,
  { request, vm }: { readonly request: VmRequest; readonly vm: { readonly id: string; readonly name: string } },
): Promise<string> {
  const common = {
    command: 'deployVirtualMachine',
    event: {
      type: 'VM.CREATE',
      description: `Deploying virtual machine ${vm.name}`,
      account: request.account,
      resource: { kind: 'UserVm', id: vm.id },
    },
  }
  if (!request.start) return submit(tx, by, { ...common, head: vmCreate, input: { vm: vm.id } })
  const host = request.host === undefined ? {} : { host: request.host }
  await makeRoot(tx, by, { vm: vm.id, command: common.command, ...host })
  return submit(tx, by, { ...common, head: vmStart, input: { vm: vm.id, ...host } })
}

function cardsIn(networks: readonly string[] = []): string[] {
  const once = [...new Set(networks)]
  if (once.length <= MOST_CARDS) return once
  throw new Refusal('INVALID', `Invalid parameter networkids: there may be ${MOST_CARDS} at most`)
}

async function templateOf(tx: Tx, request: VmRequest, zone: string): Promise<TemplateRow> {
  const template = certain(await templateNow(tx, request.template), 'templateid')
  if (template.zoneId !== null && template.zoneId !== zone)
    throw new Refusal('INVALID', 'Invalid parameter templateid: the template is not in the zone')
  if (request.hypervisor !== undefined && request.hypervisor.toLowerCase() !== template.hypervisor.toLowerCase())
    throw new Refusal('INVALID', `Invalid parameter hypervisor: the template is for ${template.hypervisor}`)
  if (template.state !== 'Ready')
    throw new Refusal(
      'INVALID',
      `Invalid parameter templateid: the template is in state ${template.state}, it must be Ready`,
    )
  if (!isDisk(template) && request.root.sizeGib !== undefined)
    throw new Refusal('INVALID', 'Invalid parameter rootdisksize: machines of the template have no root disk')
  return template
}

async function checkHost(by: By, tx: Tx, request: VmRequest): Promise<void> {
  if (request.host === undefined) return
  if (by.caller.role !== 'admin') throw new Refusal('DENIED', HOST_DENIED)
  const host = certain(await hostById(tx, request.host), 'hostid')
  if (host.zoneId !== request.zone)
    throw new Refusal('INVALID', 'Invalid parameter hostid: the host is not in the zone')
}

/** The name of a VM is a host name: letters, digits and hyphens, as RFC 1123 and CloudStack ask. */
export function nameOf(name: string | undefined, id: string): string {
  if (name === undefined) return `VM-${id}`
  if (/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(name)) return name
  throw new Refusal(
    'INVALID',
    'Invalid parameter name: 1 to 63 letters, digits and hyphens; it begins with a letter and does not end with a hyphen',
  )
}

async function addDisk(
  by: By,
  tx: Tx,
  what: {
    readonly request: VmRequest
    readonly disk: NonNullable<VmRequest['disk']>
    readonly vm: string
    readonly name: string
  },
): Promise<void> {
  const { disk, request } = what
  const offering = certain(await offeringById(tx, disk.offering), 'diskofferingid')
  if (offering.kind !== 'disk')
    throw new Refusal('INVALID', 'Invalid parameter diskofferingid: it names a service offering')
  const bytes = offeredBytes(offering, disk.sizeGib)
  await checkLargest(by.system, tx, { zone: request.zone, bytes })
  await checkLimits(tx, request.account, { volumes: 1, primaryBytes: bytes })
  const volumeId = randomUUID()
  const terms = await soldTerms(tx, offering)
  await insertVolume(tx, {
    id: volumeId,
    accountId: request.account,
    zoneId: request.zone,
    name: `DATA-${what.name}`,
    type: 'DATADISK',
    offeringId: offering.id,
    bytes,
    qosTier: terms.tier,
    qosRequested: jsonb(volumeQos(terms, disk.qos, bytes)),
    settings: jsonb(offering.settings),
    state: 'Allocated',
    generation: 1,
  })
  await insertAttachment(tx, {
    volumeId,
    vmId: what.vm,
    deviceId: nextDeviceId(new Set()),
    generation: 1,
    desired: 'attached',
    actual: 'detached',
  })
}
