import { randomUUID } from 'node:crypto'
import { Refusal } from '../domain/failures.ts'
import { type QosParameters, soldQos } from '../domain/offering.ts'
import { GIB, MIB } from '../domain/size.ts'
import { jsonb } from '../store/json.ts'
import { insertOffering } from '../store/offerings.ts'
import { readOfferingSettings } from './settings.ts'
import { type By, carriedOut, note } from './submit.ts'

/** What every offering says. */
interface OfferingHead {
  readonly name: string
  readonly displayText?: string
  readonly qos: QosParameters
  readonly tags: readonly string[]
  /** Settings for providers, by name. */
  readonly details: Readonly<Record<string, string>>
  readonly provisioning?: 'thin' | 'sparse' | 'fat'
  readonly snapshotReservePercent?: number
}

/** A disk offering to sell. `sizeGib` absent or 0: the caller of createVolume chooses the size. */
export interface DiskOfferingRequest extends OfferingHead {
  readonly sizeGib?: number
  readonly customized?: boolean
}

/** A service offering to sell. `rootGib`: size of the root disk where the template does not say. */
export interface ServiceOfferingRequest extends OfferingHead {
  readonly cpus: number
  readonly mhz: number
  readonly memoryMib: number
  readonly hostTags: readonly string[]
  /** VMs of it start elsewhere when their host is lost. */
  readonly ha?: boolean
  readonly rootGib?: number
}

/** Puts a disk offering on sale and answers its id. Throws `Refusal` `INVALID` naming the parameter. */
export async function createDiskOffering(by: By, request: DiskOfferingRequest): Promise<string> {
  const size = request.sizeGib ?? 0
  if (size > 0 && request.customized === true)
    throw new Refusal('INVALID', 'Parameters disksize and customized=true exclude each other: either sets the size')
  if (size === 0 && request.customized === false)
    throw new Refusal('INVALID', 'Parameter disksize is needed: with customized=false nobody else chooses the size')
  return insert(by, request, {
    command: 'disk',
    columns: { kind: 'disk', bytes: size === 0 ? null : size * GIB, customized: size === 0 },
  })
}

/** Puts a service offering on sale and answers its id. Throws `Refusal` `INVALID` naming the parameter. */
export async function createServiceOffering(by: By, request: ServiceOfferingRequest): Promise<string> {
  return insert(by, request, {
    command: 'service',
    columns: {
      kind: 'service',
      bytes: request.rootGib === undefined || request.rootGib === 0 ? null : request.rootGib * GIB,
      cpus: request.cpus,
      cpuMhz: request.mhz,
      memoryBytes: request.memoryMib * MIB,
      hostTags: [...request.hostTags],
      ha: request.ha ?? false,
    },
  })
}

async function insert(
  by: By,
  head: OfferingHead,
  what: {
    readonly command: 'disk' | 'service'
    readonly columns: Pick<Parameters<typeof insertOffering>[1], 'kind'> & Partial<Parameters<typeof insertOffering>[1]>
  },
): Promise<string> {
  if (head.name === '') throw new Refusal('INVALID', 'Invalid parameter name: it must not be empty')
  const settings = readOfferingSettings([...by.system.plugins.storage.values()], head.details)
  const gib = (what.columns.bytes ?? 0) / GIB
  const sold = soldQos(head.qos, gib === 0 ? undefined : gib)
  const id = randomUUID()
  await carriedOut(by, async (tx) => {
    await insertOffering(tx, {
      id,
      name: head.name,
      displayText: head.displayText ?? head.name,
      qos: jsonb(sold.qos),
      qosTier: sold.tier,
      qosKind: sold.kind,
      qosPerGib: sold.perGib === undefined ? null : jsonb(sold.perGib),
      settings: jsonb(settings),
      tags: [...head.tags],
      provisioningType: head.provisioning ?? 'thin',
      hypervisorSnapshotReserve: head.snapshotReservePercent ?? null,
      ...what.columns,
    })
    const type = what.command === 'disk' ? 'DISK.OFFERING.CREATE' : 'SERVICE.OFFERING.CREATE'
    const kind = what.command === 'disk' ? 'DiskOffering' : 'ServiceOffering'
    await note(tx, by, { type, description: `Created offering ${head.name}`, resource: { kind, id } })
  })
  return id
}
