import { randomUUID } from 'node:crypto'
import type { Call, HypervisorPlugin, StoragePlugin } from '@moorage/contract'
import type { TestSimulator } from '@moorage/simulator/testing'
import { GIB } from '../../domain/size.ts'
import type { PluginHost } from '../../plugin-host/plugin-host.ts'
import { insertHost } from '../../store/hosts.ts'
import { insertPool } from '../../store/pools.ts'
import { sealSettings } from '../../store/registrations.ts'
import type { TestStore } from '../../store/testing.ts'

/** Ids of the rows that everything else hangs on. */
export interface Places {
  readonly zone: string
  readonly pod: string
  readonly cluster: string
  readonly account: string
  readonly service: string
  /** What the cluster's hosts run. */
  readonly hypervisor: string
}

/** Adds a zone, pod, cluster, account and service offering. */
export async function insertPlaces(store: TestStore, hypervisor: string): Promise<Places> {
  const [zone, pod, cluster, domain, account, service] = Array.from({ length: 6 }, () => randomUUID())
  if (!zone || !pod || !cluster || !domain || !account || !service) throw new Error('six ids were asked for')
  await store.transact(async (tx) => {
    await tx.insertInto('zone').values({ id: zone, name: 'zone' }).execute()
    await tx.insertInto('pod').values({ id: pod, zoneId: zone, name: 'pod' }).execute()
    await tx
      .insertInto('cluster')
      .values({ id: cluster, zoneId: zone, podId: pod, name: 'cluster', hypervisor })
      .execute()
    await tx.insertInto('domain').values({ id: domain, name: 'ROOT', path: '/' }).execute()
    await tx
      .insertInto('account')
      .values({ id: account, domainId: domain, name: 'tenant', role: 'user', chapAccount: 'tenant' })
      .execute()
    await tx
      .insertInto('offering')
      .values({
        id: service,
        kind: 'service',
        name: 'small',
        displayText: 'small',
        qos: {},
        qosTier: 'none',
        cpus: 1,
        memoryBytes: GIB,
      })
      .execute()
  })
  return { zone, pod, cluster, account, service, hypervisor }
}

/** What registering takes. `owner` is the installation. */
export interface Adding extends Places {
  readonly store: TestStore
  readonly simulator: Pick<TestSimulator, 'storageEndpoint' | 'hostEndpoint' | 'moverEndpoint' | 'moverHoldings'>
  readonly plugins: PluginHost
  readonly owner: string
}

/** A call outside of any operation. */
export function probe(name: string): Call {
  return { key: `probe/${name}`, deadline: Date.now() + 5_000, signal: new AbortController().signal, fence: 0 }
}

/** Registers a host in the cluster. */
export async function addHost(world: Adding, plugin: HypervisorPlugin, name: string): Promise<string> {
  const { store, simulator, plugins, owner, zone, pod, cluster } = world
  const id = randomUUID()
  const { url, settings } = simulator.hostEndpoint(name, owner)
  const { password = '', ...open } = settings
  const report = await plugins.probeHost(plugin.name, { url, settings, owner }, probe(name))
  await store.transact(async (tx) =>
    insertHost(tx, {
      ...report,
      id,
      zoneId: zone,
      podId: pod,
      clusterId: cluster,
      name,
      plugin: plugin.name,
      hypervisor: plugin.hypervisor,
      url,
      settings: open,
      sealedSettings: sealSettings(store, { kind: 'host', id }, { password }),
    }),
  )
  return id
}

/** Registers an array as a zone-wide pool with 10,000 IOPS to promise. */
export async function addPool(
  world: Adding,
  plugin: StoragePlugin,
  { array: name, tags }: { readonly array: string; readonly tags: readonly string[] },
): Promise<string> {
  const { store, simulator, plugins, owner, zone } = world
  const id = randomUUID()
  const { url, settings } = simulator.storageEndpoint(name, owner)
  const { password = '', ...open } = settings
  const { identity, totalBytes, usedBytes } = await plugins.probePool(
    plugin.name,
    { url, settings, owner },
    probe(name),
  )
  await store.transact(async (tx) =>
    insertPool(tx, {
      id,
      zoneId: zone,
      scope: 'ZONE',
      name,
      provider: plugin.name,
      url,
      managed: true,
      settings: open,
      sealedSettings: sealSettings(store, { kind: 'pool', id }, { password }),
      identity,
      state: 'Up',
      tags: [...tags],
      totalBytes,
      usedBytes,
      capacityIops: 10_000,
    }),
  )
  return id
}
