import { randomUUID } from 'node:crypto'
import {
  type AllocationState,
  contentsOf,
  insertCluster,
  insertPod,
  insertZone,
  lockPlace,
  type PlaceChange,
  type PlaceKind,
  removePlace,
  updatePlace,
} from '../store/zones.ts'
import type { Tx } from '../store/store.ts'
import { refuse } from './refusals.ts'
import { type By, note } from './submit.ts'

interface Place {
  readonly kind: PlaceKind
  readonly id: string
  readonly name: string
}

const NAMES = { zone: 'Zone', pod: 'Pod', cluster: 'Cluster' } as const satisfies Readonly<Record<PlaceKind, string>>

/** Makes a zone and answers its id. Throws `Refusal` `INVALID` when there is one of that name. */
export async function createZone(
  by: By,
  zone: { readonly name: string; readonly networkType: string; readonly allocationState: AllocationState },
): Promise<string> {
  const id = randomUUID()
  return await made(by, { kind: 'zone', id, name: zone.name }, (tx) => insertZone(tx, { id, ...zone }))
}

/** Makes a pod and answers its id. Throws `Refusal` `INVALID` when its zone has one of that name. */
export async function createPod(
  by: By,
  pod: { readonly name: string; readonly zone: string; readonly allocationState: AllocationState },
): Promise<string> {
  const id = randomUUID()
  return await made(by, { kind: 'pod', id, name: pod.name }, async (tx) => {
    await present(tx, 'zone', { id: pod.zone, parameter: 'zoneid' })
    return await insertPod(tx, { id, zoneId: pod.zone, name: pod.name, allocationState: pod.allocationState })
  })
}

/** A cluster to add. */
export interface ClusterRequest {
  readonly name: string
  readonly zone: string
  readonly pod: string
  /** Name of a hypervisor, in whatever case. */
  readonly hypervisor: string
  readonly allocationState: AllocationState
}

/**
 * Adds a cluster and answers its id. Throws `Refusal` `INVALID` for a hypervisor that no plug-in speaks to, a pod of another
 * zone, and a name that the pod has.
 */
export async function addCluster(by: By, cluster: ClusterRequest): Promise<string> {
  const known = [...new Set([...by.system.plugins.hypervisors.values()].map(({ hypervisor }) => hypervisor))]
  const hypervisor = known.find((name) => name.toLowerCase() === cluster.hypervisor.toLowerCase())
  if (hypervisor === undefined) {
    throw refuse('INVALID', `Invalid parameter hypervisor: it must be one of ${known.join(', ')}`)
  }
  const id = randomUUID()
  return await made(by, { kind: 'cluster', id, name: cluster.name }, async (tx) => {
    await present(tx, 'zone', { id: cluster.zone, parameter: 'zoneid' })
    const pod = await present(tx, 'pod', { id: cluster.pod, parameter: 'podid' })
    if (pod.zoneId !== cluster.zone) throw refuse('INVALID', 'Invalid parameter podid: the pod is not in that zone')
    const { name, allocationState, zone, pod: podId } = cluster
    return await insertCluster(tx, { id, zoneId: zone, podId, name, hypervisor, allocationState })
  })
}

/** Renames, enables or disables. Throws `Refusal` `INVALID` for a name that another has. */
export async function changePlace(
  by: By,
  kind: PlaceKind,
  change: PlaceChange & { readonly id: string },
): Promise<void> {
  await by.system.store.transact(async (tx) => {
    const { name } = await present(tx, kind, { id: change.id, parameter: 'id' })
    if (!(await updatePlace(tx, kind, change))) throw taken(kind, change.name ?? name)
    await tell(tx, by, { kind, id: change.id, name, verb: 'EDIT' })
  })
}

/** Removes a place with nothing in it. Throws `Refusal` `IN_USE` that says what is. */
export async function deletePlace(by: By, kind: PlaceKind, id: string): Promise<void> {
  await by.system.store.transact(async (tx) => {
    const { name } = await present(tx, kind, { id, parameter: 'id' })
    const inside = Object.entries(await contentsOf(tx, kind, id)).filter(([, count]) => count > 0)
    if (inside.length > 0) {
      const what = inside.map(([of, count]) => `${of}: ${count}`).join(', ')
      throw refuse('IN_USE', `${NAMES[kind]} ${name} cannot be deleted while there is something in it (${what})`)
    }
    await removePlace(tx, kind, id)
    await tell(tx, by, { kind, id, name, verb: 'DELETE' })
  })
}

async function made(by: By, place: Place, insert: (tx: Tx) => Promise<boolean>): Promise<string> {
  await by.system.store.transact(async (tx) => {
    if (!(await insert(tx))) throw taken(place.kind, place.name)
    await tell(tx, by, { ...place, verb: 'CREATE' })
  })
  return place.id
}

async function present(tx: Tx, kind: PlaceKind, wanted: { readonly id: string; readonly parameter: string }) {
  const found = await lockPlace(tx, kind, wanted.id)
  if (found) return found
  throw refuse('NOT_FOUND', `Invalid parameter ${wanted.parameter}: there is no such ${kind} any more`)
}

async function tell(tx: Tx, by: By, what: Place & { readonly verb: 'CREATE' | 'EDIT' | 'DELETE' }): Promise<void> {
  const { kind, id, name, verb } = what
  const done = { CREATE: 'created', EDIT: 'changed', DELETE: 'deleted' }[verb]
  await note(tx, by, {
    type: `${kind.toUpperCase()}.${verb}`,
    description: `${NAMES[kind]} ${name} was ${done}`,
    resource: { kind: NAMES[kind], id },
  })
}

function taken(kind: PlaceKind, name: string): Error {
  return refuse('INVALID', `Invalid parameter name: there is a ${kind} ${name} already`)
}
