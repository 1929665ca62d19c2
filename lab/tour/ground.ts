import { text, type Api } from '../api.ts'
import type { Terminal } from '../terminal.ts'

/** Where the tour's pool and host are, and as whom to reach them. */
export interface Ground {
  readonly pool: { readonly provider: string; readonly url: string; readonly user: string; readonly password: string }
  readonly host: { readonly url: string; readonly user: string; readonly password: string; readonly hypervisor: string }
  /** Name of the boot image that the host holds; absent: machines without a guest. */
  readonly image: string | undefined
  readonly capacityIops: number
}

/** What the tour made and the steps after it use. Kept by a second run. */
export interface Cloud {
  readonly zone: string
  readonly pool: string
  readonly vm: string
}

/** What of a client the ground needs. */
export type Caller = Pick<Api, 'run' | 'list'>

/** Registers zone, pod, cluster, host, pool, template and offering, and starts the VM; what is there already stays. */
export async function prepareGround(api: Caller, ground: Ground, out: Terminal): Promise<Cloud> {
  let zone = ''
  let cluster = ''
  await out.step('zone, pod, cluster', async () => {
    zone = await ensure(api, {
      list: 'listZones',
      create: 'createZone',
      find: { name: 'lab' },
      more: { networktype: 'Basic' },
    })
    const pod = await ensure(api, {
      list: 'listPods',
      create: 'createPod',
      find: { name: 'lab', zoneid: zone },
      more: { gateway: '127.0.0.1', netmask: '255.0.0.0', startip: '127.0.0.1' },
    })
    cluster = await ensure(api, {
      list: 'listClusters',
      create: 'addCluster',
      find: { zoneid: zone },
      more: { clustername: 'lab', podid: pod, hypervisor: ground.host.hypervisor, clustertype: 'CloudManaged' },
    })
    return `zone ${zone.slice(0, 8)}`
  })
  await out.step('host added', () => addHost(api, ground, { zone, cluster }))
  let pool = ''
  await out.step('pool registered', async () => {
    pool = await addPool(api, ground, zone)
    const found = (await api.list('listStoragePools', { id: pool }))[0] ?? {}
    return `${text(found, 'provider')}, ${Number(found['disksizetotal']) / 2 ** 30} GiB, ${String(found['capacityiops'])} IOPS, ${text(found, 'state')}`
  })
  let vm = ''
  await out.step('VM started from the template', async () => {
    const template = await addTemplate(api, ground, zone)
    vm = await startVm(api, { zone, template })
    return `vm ${vm.slice(0, 8)} Running`
  })
  return { zone, pool, vm }
}

/** What is to be there: how it is listed and made, and by what it is found. */
interface Wanted {
  readonly list: string
  readonly create: string
  readonly find: Readonly<Record<string, string>>
  readonly more?: Readonly<Record<string, string>>
}

/** What is there already, or was made now: its id. */
export async function ensure(api: Caller, { list, create, find, more }: Wanted): Promise<string> {
  const found = (await api.list(list, find))[0]
  return text(found ?? (await api.run(create, { ...find, ...more })), 'id')
}

async function addHost(
  api: Caller,
  ground: Ground,
  place: { readonly zone: string; readonly cluster: string },
): Promise<string> {
  const known = (await api.list('listHosts', { clusterid: place.cluster, type: 'Routing' }))[0]
  const pod = text((await api.list('listPods', { zoneid: place.zone }))[0] ?? {}, 'id')
  const host =
    known ??
    (await api.run('addHost', {
      zoneid: place.zone,
      podid: pod,
      clusterid: place.cluster,
      hypervisor: ground.host.hypervisor,
      url: ground.host.url,
      username: ground.host.user,
      password: ground.host.password,
    }))
  return `${text(host, 'name')}, ${text(host, 'state')}`
}

async function addPool(api: Caller, ground: Ground, zone: string): Promise<string> {
  const known = (await api.list('listStoragePools', { name: 'tour', zoneid: zone }))[0]
  const pool =
    known ??
    (await api.run('createStoragePool', {
      name: 'tour',
      zoneid: zone,
      scope: 'zone',
      hypervisor: ground.host.hypervisor,
      provider: ground.pool.provider,
      url: ground.pool.url,
      managed: true,
      tags: 'san',
      capacityiops: ground.capacityIops,
      'details[0].user': ground.pool.user,
      'details[0].password': ground.pool.password,
    }))
  return text(pool, 'id')
}

async function addTemplate(api: Caller, ground: Ground, zone: string): Promise<string> {
  const known = (await api.list('listTemplates', { templatefilter: 'all', name: 'lab-guest' }))[0]
  const template =
    known ??
    (await api.run('registerTemplate', {
      name: 'lab-guest',
      displaytext: 'tiny Linux that runs from memory',
      url: `image://${ground.image ?? 'none'}`,
      format: 'RAW',
      hypervisor: ground.host.hypervisor,
      zoneid: zone,
    }))
  return text(template, 'id')
}

async function startVm(api: Caller, from: { readonly zone: string; readonly template: string }): Promise<string> {
  const service = await ensure(api, {
    list: 'listServiceOfferings',
    create: 'createServiceOffering',
    find: { name: 'lab-small' },
    more: { displaytext: '1 CPU, 128 MiB', cpunumber: '1', cpuspeed: '1000', memory: '128' },
  })
  const known = (await api.list('listVirtualMachines', { name: 'tour' }))[0]
  if (known && known['state'] === 'Running') return text(known, 'id')
  if (known) return text(await api.run('startVirtualMachine', { id: text(known, 'id') }), 'id')
  const made = await api.run('deployVirtualMachine', {
    name: 'tour',
    zoneid: from.zone,
    serviceofferingid: service,
    templateid: from.template,
  })
  return text(made, 'id')
}
