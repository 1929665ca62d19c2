import { rootAdministrator } from '../operations/authentication.ts'
import type { System } from '../operations/context.ts'
import { addHost } from '../operations/host-add.ts'
import { createDiskOffering, createServiceOffering } from '../operations/offering-create.ts'
import { addCluster, createPod, createZone } from '../operations/places.ts'
import { registerPool } from '../operations/pool-register.ts'
import type { By } from '../operations/submit.ts'
import { registerTemplate } from '../operations/template-register.ts'
import { idOfName, idOfUrl } from '../store/queries/named.ts'
import type { SimulatorDaemon } from './simulator-daemon.ts'

const GIB = 1024 ** 3

/** What each simulated array is registered with. */
const POOL = { bytes: 1024 * GIB, iops: 50_000 }

/**
 * Registers a small cloud on the simulator, through the operations that the API calls: one zone, pod and cluster, two hosts,
 * two managed pools, a template, disk and service offerings. What is there already is left as it is.
 */
export async function seedSimulator(system: System, simulator: SimulatorDaemon): Promise<void> {
  const by: By = { system, caller: await rootAdministrator(system) }
  const { reader } = system.store
  const enabled = { allocationState: 'Enabled' } as const
  const zone =
    (await idOfName(reader, 'zone', 'simulator')) ??
    (await createZone(by, { name: 'simulator', networkType: 'Basic', ...enabled }))
  const pod = (await idOfName(reader, 'pod', 'pod-1')) ?? (await createPod(by, { name: 'pod-1', zone, ...enabled }))
  const cluster =
    (await idOfName(reader, 'cluster', 'cluster-1')) ??
    (await addCluster(by, { name: 'cluster-1', zone, pod, hypervisor: 'Simulator', ...enabled }))
  for (const name of ['host-1', 'host-2']) await seedHost(by, simulator, { name, zone, pod, cluster })
  for (const name of ['array-1', 'array-2']) await seedPool(by, simulator, { name, zone })
  await seedTemplate(by)
  await seedOfferings(by)
}

async function seedHost(
  by: By,
  { authority, user, password }: SimulatorDaemon,
  host: { readonly name: string; readonly zone: string; readonly pod: string; readonly cluster: string },
): Promise<void> {
  const { name, zone, pod, cluster } = host
  const url = `simulator://${authority}/${name}`
  if (await idOfUrl(by.system.store.reader, 'host', url)) return
  const request = { zone, pod, cluster, hypervisor: 'Simulator', url, tags: [], enabled: true }
  await addHost(by, { ...request, details: { user, password } })
}

async function seedPool(
  by: By,
  { authority, user, password }: SimulatorDaemon,
  pool: { readonly name: string; readonly zone: string },
): Promise<void> {
  const url = `simulator://${authority}/${pool.name}`
  if (await idOfUrl(by.system.store.reader, 'pool', url)) return
  const details = { user, password, totalbytes: String(POOL.bytes), iops: String(POOL.iops) }
  const head = { ...pool, provider: 'simulator', url, scope: 'ZONE', managed: true, tags: [] }
  await registerPool(by, { ...head, capacityBytes: POOL.bytes, capacityIops: POOL.iops, details })
}

async function seedTemplate(by: By): Promise<void> {
  const name = 'simulated machine'
  if (await idOfName(by.system.store.reader, 'template', name)) return
  const { accountId: account } = by.caller
  const head = { account, name, displayText: 'Simulated machine without a guest', url: 'image://none' }
  await registerTemplate(by, { ...head, format: 'RAW', hypervisor: 'Simulator', public: true, featured: true })
}

async function seedOfferings(by: By): Promise<void> {
  const head = { tags: [], details: {} }
  const disks = [
    {
      name: 'gold',
      displayText: '1000 to 5000 IOPS, bursts to 10000',
      qos: { miniops: 1000, maxiops: 5000, burstiops: 10_000, burstseconds: 60 },
    },
    { name: 'silver', displayText: '200 to 1000 IOPS', qos: { miniops: 200, maxiops: 1000 } },
    { name: 'own IOPS', displayText: 'IOPS of your choice', qos: { customizediops: true } },
    {
      name: 'limited by the host',
      displayText: '500 reads and 500 writes per second',
      qos: { iopsreadrate: 500, iopswriterate: 500 },
    },
    { name: 'plain', displayText: 'Without QoS', qos: {} },
  ]
  for (const disk of disks) {
    if (await idOfName(by.system.store.reader, 'offering', disk.name)) continue
    await createDiskOffering(by, { ...head, ...disk, customized: true })
  }
  const machines = [
    { name: 'small machine', displayText: '1 core, 512 MiB', cpus: 1, mhz: 1000, memoryMib: 512 },
    { name: 'medium machine', displayText: '2 cores, 2 GiB', cpus: 2, mhz: 2000, memoryMib: 2048 },
  ]
  for (const machine of machines) {
    if (await idOfName(by.system.store.reader, 'offering', machine.name)) continue
    await createServiceOffering(by, { ...head, ...machine, qos: {}, hostTags: [] })
  }
}
