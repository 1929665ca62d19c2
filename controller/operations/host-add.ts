import { randomUUID } from 'node:crypto'
import type { HostReport, HypervisorPlugin, Loaded } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import type { ClusterRow } from '../store/generated/schema.ts'
import { insertHost } from '../store/hosts.ts'
import { jsonb } from '../store/json.ts'
import { applyHostTerms } from '../store/pool-terms.ts'
import { clusterNow, clustersOfPod, hostOfIdentity, podNow } from '../store/queries/places.ts'
import { sealSettings } from '../store/registrations.ts'
import type { Tx } from '../store/store.ts'
import { transact } from '../store/transact.ts'
import type { System } from './context.ts'
import { probe } from './probe.ts'
import { readRegistration, type Registration } from './settings.ts'
import { type By, note } from './submit.ts'
import { unlessTaken } from './taken.ts'
import { askAround } from './ways.ts'

/** A host to register. `cluster` absent: the only cluster of the pod that fits. */
export interface HostRequest {
  readonly zone: string
  readonly pod: string
  readonly cluster?: string
  readonly clusterName?: string
  readonly hypervisor: string
  readonly url: string
  readonly username?: string
  readonly password?: string
  readonly tags: readonly string[]
  readonly enabled: boolean
  readonly details: Readonly<Record<string, string>>
}

/**
 * Registers a host that has just proven who it is, asks it whether it gets to the pools of its cluster, and answers its id. Refuses, with nothing stored: a url that no
 * hypervisor plug-in answers to, a setting that is wrong, a place that does not fit together, a host that does not answer
 * or denies, a host that is registered already. Callers are operators.
 */
export async function addHost(by: By, request: HostRequest): Promise<string> {
  const { store, plugins, installation } = by.system
  const plugin = pluginOf(by.system, request)
  const registration = readRegistration(plugin, { url: request.url, details: detailsOf(request) })
  // It changes nothing, so that it is not where the audit's record belongs, as in `store.transact`.
  await transact(store.reader, (tx) => clusterOf(tx, request, plugin))
  const endpoint = {
    url: registration.url,
    settings: { ...registration.settings, ...registration.secrets },
    owner: installation,
  }
  const report = await probe('The host', (call) => plugins.probeHost(plugin.name, endpoint, call))
  const id = await unlessTaken('The host that parameter url names is registered already', () =>
    store.transact((tx) => add(by, tx, { request, plugin, registration, report })),
  )
  await askAround(by.system, { host: id })
  return id
}

async function add(
  by: By,
  tx: Tx,
  what: {
    readonly request: HostRequest
    readonly plugin: Loaded<HypervisorPlugin>
    readonly registration: Registration
    readonly report: HostReport
  },
): Promise<string> {
  const { request, plugin, registration, report } = what
  const cluster = await clusterOf(tx, request, plugin)
  const known = await hostOfIdentity(tx, plugin.name, report.identity)
  if (known !== undefined)
    throw new Refusal('INVALID', `The host that parameter url names is registered already, as ${known}`)
  const id = randomUUID()
  await insertHost(tx, {
    id,
    zoneId: cluster.zoneId,
    podId: cluster.podId,
    clusterId: cluster.id,
    name: report.name,
    plugin: plugin.name,
    hypervisor: plugin.hypervisor,
    url: registration.url,
    settings: jsonb(registration.settings),
    sealedSettings: sealSettings(by.system.store, { kind: 'host', id }, registration.secrets),
    identity: report.identity,
    initiator: report.initiator,
    cpus: report.cpus,
    memoryBytes: report.memoryBytes,
    version: report.version,
    state: 'Up',
    resourceState: request.enabled ? 'Enabled' : 'Disabled',
    tags: [...request.tags],
    lastSeenAt: new Date(),
  })
  await applyHostTerms(tx, cluster.zoneId)
  await note(tx, by, { type: 'HOST.ADD', description: `Added host ${report.name}`, resource: { kind: 'Host', id } })
  return id
}

function pluginOf(system: System, request: Pick<HostRequest, 'url' | 'hypervisor'>): Loaded<HypervisorPlugin> {
  const known = [...system.plugins.hypervisors.values()]
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(request.url)?.[1]?.toLowerCase() ?? ''
  const answering = known.filter((plugin) => plugin.schemes.includes(scheme))
  const schemes = known.flatMap((plugin) => plugin.schemes.map((one) => `${one}://`)).join(', ')
  if (answering.length === 0)
    throw new Refusal('INVALID', `Invalid parameter url: it must begin with one of ${schemes}`)
  const wanted = request.hypervisor.toLowerCase()
  const plugin = answering.find((one) => one.hypervisor.toLowerCase() === wanted)
  if (plugin) return plugin
  const kinds = answering.map((one) => one.hypervisor).join(', ')
  throw new Refusal('INVALID', `Invalid parameter hypervisor: hosts of such a url run ${kinds}`)
}

function detailsOf(request: HostRequest): Readonly<Record<string, string>> {
  return {
    ...request.details,
    ...(request.username === undefined ? {} : { user: request.username }),
    ...(request.password === undefined ? {} : { password: request.password }),
  }
}

async function clusterOf(tx: Tx, request: HostRequest, plugin: Loaded<HypervisorPlugin>): Promise<ClusterRow> {
  const pod = await podNow(tx, request.pod)
  if (pod?.zoneId !== request.zone) throw new Refusal('INVALID', 'Invalid parameter podid: the pod is not in the zone')
  const cluster = await namedCluster(tx, request)
  if (cluster.podId !== pod.id)
    throw new Refusal('INVALID', 'Invalid parameter clusterid: the cluster is not in the pod')
  if (cluster.hypervisor.toLowerCase() !== plugin.hypervisor.toLowerCase())
    throw new Refusal('INVALID', `Invalid parameter clusterid: the cluster is for ${cluster.hypervisor} hosts`)
  return cluster
}

async function namedCluster(tx: Tx, request: HostRequest): Promise<ClusterRow> {
  if (request.cluster !== undefined) {
    const cluster = await clusterNow(tx, request.cluster)
    if (cluster) return cluster
    throw new Refusal('NOT_FOUND', 'Unable to find the cluster that parameter clusterid names')
  }
  const [only, ...others] = (await clustersOfPod(tx, request.pod)).filter(
    (cluster) => request.clusterName === undefined || cluster.name === request.clusterName,
  )
  if (only && others.length === 0) return only
  throw new Refusal('INVALID', 'Parameter clusterid is needed: the pod does not have exactly one cluster that fits')
}
