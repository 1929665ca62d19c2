import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startWeb } from '@moorage/mover/testing'
import { type Params, text } from '../../lab/api.ts'
import { until } from '../../lab/process.ts'
import { adminKeys, type ControllerProcess } from '../support/controller.ts'

const run = promisify(execFile)
const MIB = 1024 ** 2

/** Where Packer is, and where it and the archive may write. */
export interface PackerPlace {
  readonly packer: string
  readonly archive: string
  readonly home: string
}

/**
 * Has Packer's cloudstack builder make a template of a machine with a root disk, in a zone of its own, deploys a machine of what it
 * made, and takes both away. Throws with what Packer said when it fails.
 */
export async function tourByPacker(controller: ControllerProcess, at: PackerPlace): Promise<void> {
  const { api } = controller
  const made = async (command: string, params: Params) => text(await api.run(command, params), 'id')
  const { zoneid, serviceofferingid } = await ground(controller, at.archive)
  const web = await startWeb()
  try {
    const disk = { format: 'RAW', hypervisor: 'Simulator', zoneid }
    const url = web.put('disk.raw', Buffer.alloc(2 * MIB, 'base'))
    const base = await made('registerTemplate', { ...disk, name: 'packer-base', displaytext: 'base', url })
    await ready(controller, base)
    const { apiKey, secretKey } = adminKeys(controller.dir)
    const vars = { url: controller.url, key: apiKey, secret: secretKey }
    const given = Object.entries(vars).flatMap(([name, value]) => ['-var', `${name}=${value}`])
    const homes = { HOME: at.home, PACKER_CONFIG_DIR: at.home, PACKER_CACHE_DIR: at.home }
    const env = { PATH: '/usr/bin:/bin', CHECKPOINT_DISABLE: '1', ...homes }
    const script = join(import.meta.dirname, 'packer.json')
    await run(at.packer, ['build', '-color=false', ...given, script], { env, cwd: at.home })
    const [built] = await api.list('listTemplates', { templatefilter: 'all', name: 'packer-built' })
    const templateid = text(built ?? {}, 'id')
    await ready(controller, templateid)
    const id = await made('deployVirtualMachine', { zoneid, serviceofferingid, templateid })
    await api.run('destroyVirtualMachine', { id, expunge: true })
    for (const template of [base, templateid]) await api.run('deleteTemplate', { id: template })
    await cleared(controller)
  } finally {
    await web.stop()
  }
}

/** A zone of type Advanced with everything that a root disk takes: Packer names the network that it is to be in. */
async function ground(controller: ControllerProcess, archive: string) {
  const { api, dir } = controller
  const made = async (command: string, params: Params) => text(await api.run(command, params), 'id')
  const { user, password } = JSON.parse(readFileSync(join(dir, 'simulator.credentials.json'), 'utf8')) as Readonly<
    Record<string, string>
  > // As the simulator's daemon writes it.
  const authority = `127.0.0.1:${readFileSync(join(dir, 'simulator.port'), 'utf8').trim()}`
  const zoneid = await made('createZone', { name: 'packer', networktype: 'Advanced' })
  const podid = await made('createPod', {
    name: 'packer',
    zoneid,
    gateway: '127.0.0.1',
    netmask: '255.0.0.0',
    startip: '127.0.0.2',
  })
  const place = { zoneid, podid, hypervisor: 'Simulator' }
  const clusterid = await made('addCluster', { ...place, clustername: 'packer', clustertype: 'CloudManaged' })
  const login = { username: user, password }
  await made('addHost', { ...place, clusterid, url: `simulator://${authority}/packer`, ...login })
  const pool = { name: 'packer', provider: 'simulator', scope: 'zone', hypervisor: 'Simulator', managed: true, zoneid }
  const url = `simulator://${user}:${password}@${authority}/packer`
  await made('createStoragePool', { ...pool, url, capacityiops: 10_000 })
  mkdirSync(archive)
  await made('addImageStore', { name: 'packer', url: `file://${archive}`, zoneid, provider: 'directory' })
  await made('addMover', { name: 'packer', zoneid, url: `http://${authority}`, ...login })
  const offering = { name: 'packer', displaytext: 'packer', guestiptype: 'Shared', traffictype: 'Guest' }
  const networkofferingid = await made('createNetworkOffering', offering)
  await made('createNetwork', { name: 'packer', displaytext: 'packer', zoneid, networkofferingid })
  const terms = { name: 'packer', displaytext: 'packer', cpunumber: 1, cpuspeed: 1000, memory: 128 }
  return { zoneid, serviceofferingid: await made('createServiceOffering', { ...terms, miniops: 100, maxiops: 1000 }) }
}

async function ready({ api }: ControllerProcess, id: string): Promise<void> {
  await until(
    async () => {
      const [found] = await api.list('listTemplates', { templatefilter: 'all', id })
      return found?.['isready'] === true ? true : undefined
    },
    { what: `template ${id} to be ready`, withinMs: 60_000 },
  )
}

/** Takes away what is left: a seed of a template that was removed waits for its reconciler, or is in the hands of it just now. */
async function cleared({ api }: ControllerProcess): Promise<void> {
  const rid = async (list: string, command: string) => {
    const left = await api.list(list, { listall: true })
    for (const one of left) await api.run(command, { id: text(one, 'id') }).catch(() => undefined)
    return left.length
  }
  const none = async () =>
    (await rid('listSnapshots', 'deleteSnapshot')) + (await rid('listVolumes', 'deleteVolume')) === 0 ? true : undefined
  await until(none, { what: 'all snapshots and volumes to be gone', withinMs: 60_000 })
}
