import type { TestHostd } from '@moorage/hostd/testing'
import type { TestController } from '../../controller/testing.ts'
import { type Asked, textOf } from '../../controller/testing-client.ts'

/** A zone with one QEMU host, and a VM there that is stopped: its disks are made, and connected when it starts. */
export interface QemuPlace {
  readonly zoneid: string
  readonly vm: string
}

/** Makes one with an empty controller. */
export async function qemuPlace({ api }: Pick<TestController, 'api'>, hostd: TestHostd): Promise<QemuPlace> {
  const made = async (command: string, params: Asked) => textOf(await api.run(command, params), 'id')
  const hypervisor = 'KVM'
  const zoneid = await made('createZone', { name: 'zone', networktype: 'Basic' })
  const range = { gateway: '127.0.0.1', netmask: '255.0.0.0', startip: '127.0.0.2' }
  const podid = await made('createPod', { name: 'pod', zoneid, ...range })
  const inPod = { zoneid, podid, hypervisor }
  const clusterid = await made('addCluster', { ...inPod, clustername: 'cluster', clustertype: 'CloudManaged' })
  const { user: username = '', password = '' } = hostd.endpoint.settings
  await made('addHost', { ...inPod, clusterid, url: hostd.endpoint.url, username, password })
  const small = { name: 'small', displaytext: 'small', cpunumber: 1, cpuspeed: 1000, memory: 64 }
  const serviceofferingid = await made('createServiceOffering', small)
  const image = { name: 'guest', displaytext: 'guest', format: 'RAW', hypervisor, url: 'guest' }
  const templateid = await made('registerTemplate', { ...image, zoneid })
  const vm = await made('deployVirtualMachine', { zoneid, serviceofferingid, templateid, startvm: false })
  return { zoneid, vm }
}
