import { randomUUID } from 'node:crypto'
import type { Loaded, PoolReport, StoragePlugin } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { jsonb } from '../store/json.ts'
import { applyTerms } from '../store/pool-terms.ts'
import { insertPool } from '../store/pools.ts'
import { clusterNow, podNow, poolOfIdentity, zoneNow } from '../store/queries/places.ts'
import { sealSettings } from '../store/registrations.ts'
import type { Tx } from '../store/store.ts'
import { transact } from '../store/transact.ts'
import type { System } from './context.ts'
import { probe } from './probe.ts'
import { readRegistration, type Registration } from './settings.ts'
import { type By, note } from './submit.ts'
import { unlessTaken } from './taken.ts'
import { askAround } from './ways.ts'

/** A pool to register. Bytes, IOPS per second. `provider` absent: found by the scheme of the url. */
export interface PoolRequest {
  readonly name: string
  readonly zone: string
  readonly pod?: string
  readonly cluster?: string
  readonly provider?: string
  readonly url: string
  readonly scope?: string
  readonly managed?: boolean
  readonly capacityBytes?: number
  readonly capacityIops?: number
  readonly capacityVolumes?: number
  readonly hypervisor?: string
  readonly tags: readonly string[]
  readonly details: Readonly<Record<string, string>>
  /** What is done about limits that were changed outside of Moorage; absent: they are told. */
  readonly qosDrift?: 'report' | 'repair'
}

/**
 * Registers a pool that has just proven who it is, asks the hosts of its scope whether they get there, and answers its id. Refuses, with nothing stored: an unknown provider,
 * a setting that is wrong, a place that does not fit together, an array that does not answer or denies, a pool that is
 * registered already. Callers are operators.
 */
export async function registerPool(by: By, request: PoolRequest): Promise<string> {
  const { store, plugins, installation } = by.system
  const plugin = pluginOf(by.system, request)
  const registration = readRegistration(plugin, request)
  checkCapacity(request)
  const scope = scopeOf(request)
  const hypervisor = hypervisorOf(by.system, request.hypervisor)
  const endpoint = {
    url: registration.url,
    settings: { ...registration.settings, ...registration.secrets },
    owner: installation,
  }
  // It changes nothing, so that it is not where the audit's record belongs, as in `store.transact`.
  await transact(store.reader, (tx) => checkPlace(tx, request, scope))
  const report = await probe('The array', (call) => plugins.probePool(plugin.name, endpoint, call))
  const what = { request, plugin, registration, scope, hypervisor, report }
  const id = await unlessTaken('The pool that parameter url names is registered already', () =>
    store.transact((tx) => add(by, tx, what)),
  )
  await askAround(by.system, { pool: id })
  return id
}

async function add(
  by: By,
  tx: Tx,
  what: {
    readonly request: PoolRequest
    readonly plugin: Loaded<StoragePlugin>
    readonly registration: Registration
    readonly scope: 'ZONE' | 'CLUSTER'
    readonly hypervisor: string | null
    readonly report: PoolReport
  },
): Promise<string> {
  const { request, plugin, registration, scope, hypervisor, report } = what
  await checkPlace(tx, request, scope)
  const known = await poolOfIdentity(tx, plugin.name, report.identity)
  if (known !== undefined)
    throw new Refusal('INVALID', `The pool that parameter url names is registered already, as ${known}`)
  const id = randomUUID()
  await insertPool(tx, {
    id,
    zoneId: request.zone,
    podId: scope === 'CLUSTER' ? (request.pod ?? null) : null,
    clusterId: scope === 'CLUSTER' ? (request.cluster ?? null) : null,
    scope,
    name: request.name,
    provider: plugin.name,
    url: registration.url,
    managed: plugin.managed === 'always' || request.managed === true,
    hypervisor,
    settings: jsonb(registration.settings),
    sealedSettings: sealSettings(by.system.store, { kind: 'pool', id }, registration.secrets),
    identity: report.identity,
    state: 'Up',
    tags: [...request.tags],
    totalBytes: report.totalBytes,
    usedBytes: report.usedBytes,
    totalIops: report.iops ?? null,
    capacityBytes: request.capacityBytes ?? null,
    capacityIops: request.capacityIops ?? null,
    capacityVolumes: request.capacityVolumes ?? null,
    reportedAt: new Date(),
    qosDrift: request.qosDrift ?? 'report',
  })
  await applyTerms(tx, { pool: id })
  await note(tx, by, {
    type: 'STORAGE.POOL.CREATE',
    description: `Registered storage pool ${request.name} with provider ${plugin.name}`,
    resource: { kind: 'StoragePool', id },
  })
  return id
}

function pluginOf(system: System, request: Pick<PoolRequest, 'provider' | 'url'>): Loaded<StoragePlugin> {
  const known = [...system.plugins.storage.values()]
  const names = known.map((plugin) => plugin.name).join(', ')
  if (request.provider !== undefined) {
    const wanted = request.provider.toLowerCase()
    const plugin = known.find((one) => one.name.toLowerCase() === wanted)
    if (plugin) return plugin
    throw new Refusal(
      'INVALID',
      `Invalid parameter provider: there is no storage provider ${request.provider}; known are ${names}`,
    )
  }
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(request.url)?.[1]?.toLowerCase() ?? ''
  const [plugin, ...others] = known.filter((one) => one.schemes.includes(scheme))
  if (plugin && others.length === 0) return plugin
  throw new Refusal('INVALID', `Parameter provider is needed, as the url does not tell it; known are ${names}`)
}

/** The hypervisor in the spelling of its plug-in. `null`: any. */
function hypervisorOf(system: System, asked: string | undefined): string | null {
  if (asked === undefined || asked.toLowerCase() === 'any') return null
  const known = [...system.plugins.hypervisors.values()].map((plugin) => plugin.hypervisor)
  const found = known.find((name) => name.toLowerCase() === asked.toLowerCase())
  if (found !== undefined) return found
  throw new Refusal('INVALID', `Invalid parameter hypervisor: it must be Any or one of ${known.join(', ')}`)
}

function checkCapacity(request: PoolRequest): void {
  for (const [parameter, value] of [
    ['capacitybytes', request.capacityBytes],
    ['capacityiops', request.capacityIops],
    ['capacityvolumes', request.capacityVolumes],
  ] as const)
    if (value !== undefined && value <= 0)
      throw new Refusal('INVALID', `Invalid parameter ${parameter}: it must be above 0`)
}

function scopeOf(request: PoolRequest): 'ZONE' | 'CLUSTER' {
  const scope = request.scope?.toUpperCase() ?? (request.cluster === undefined ? 'ZONE' : 'CLUSTER')
  if (scope !== 'ZONE' && scope !== 'CLUSTER')
    throw new Refusal('INVALID', 'Invalid parameter scope: it must be ZONE or CLUSTER')
  if (scope === 'CLUSTER' && request.cluster === undefined)
    throw new Refusal('INVALID', 'Parameter clusterid is needed with scope CLUSTER')
  if (scope === 'ZONE' && request.cluster !== undefined)
    throw new Refusal('INVALID', 'Parameter clusterid does not go with scope ZONE')
  return scope
}

async function checkPlace(tx: Tx, request: PoolRequest, scope: 'ZONE' | 'CLUSTER'): Promise<void> {
  const zone = await zoneNow(tx, request.zone)
  if (!zone) throw new Refusal('NOT_FOUND', 'Unable to find the zone that parameter zoneid names')
  const pod = request.pod === undefined ? undefined : await podNow(tx, request.pod)
  if (request.pod !== undefined && pod?.zoneId !== zone.id)
    throw new Refusal('INVALID', 'Invalid parameter podid: the pod is not in the zone')
  if (scope === 'ZONE' || request.cluster === undefined) return
  const cluster = await clusterNow(tx, request.cluster)
  if (cluster?.zoneId !== zone.id)
    throw new Refusal('INVALID', 'Invalid parameter clusterid: the cluster is not in the zone')
  if (pod !== undefined && cluster.podId !== pod.id)
    throw new Refusal('INVALID', 'Invalid parameter clusterid: the cluster is not in the pod')
}
