import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { wireClient } from '@moorage/wire'
import { type Entity, text } from '../../lab/api.ts'
import { labCall } from '../../lab/guest.ts'
import { credentials } from '../../lab/layout.ts'
import { hostdAccess, sanAccess } from '../../lab/parts.ts'
import { runningDaemon } from '../../lab/process.ts'
import { lastFence } from '../../lab/tour/fence.ts'
import { realLab, type RealLab } from './real-lab.ts'
import { type SecondHost, secondHost } from './second-host.ts'

const run = promisify(execFile)

/** What the names of the SAN's targets begin with. */
export const IQN = 'iqn.2026-01.cloud.moorage.san:'

/** A lab with a second host and a second pool, of files, and the ways past Moorage to all of it. */
export interface Yard {
  readonly lab: RealLab
  readonly second: SecondHost
  /** Our ownership mark. */
  readonly owner: string
  /** Directory of the pool of files, on which nothing is placed. */
  readonly files: string
  /** A VM that runs, with `used`, a volume with limits. `idle` is another, which is plugged nowhere. */
  readonly vm: string
  readonly used: string
  readonly idle: string
  /** A VM that is stopped. */
  readonly resting: string
  /** The SAN itself, under the highest fence that any operation had; as another installation where `owner` is given. */
  san(method: string, args: object): Promise<unknown>
  /** A host daemon itself, by the id of its host; likewise. */
  hostd(host: string, method: string, args: object): Promise<unknown>
  /** Below tgtd's `-C 1 --lld iscsi`. */
  tgtadm(...args: readonly string[]): Promise<string>
  /** The database, in which nobody should write. Answers the one value of the one row, if there is one. */
  sql(statement: string): Promise<string>
  /** Ids of the two hosts. */
  hosts(): Promise<readonly string[]>
  /** Host of a VM. */
  hostOf(vm: string): Promise<string>
  /** Ends and removes all of it. */
  stop(): Promise<void>
}

/** Starts it: some eight seconds. */
export async function startYard(): Promise<Yard> {
  const lab = await realLab('guestless')
  const second = await secondHost(lab)
  const files = await poolOfFiles(lab)
  const own = await ownThings(lab)
  const owner = text(runningDaemon(lab.at.controller) ?? {}, 'installation')
  const call = async () => labCall(20_000, await lastFence(lab.api))
  const hosts = async () => (await lab.api.list('listHosts', { type: 'Routing' })).map((host) => text(host, 'id'))
  return {
    lab,
    second,
    owner,
    files,
    ...own,
    san: async (method, args) => wireClient(sanAccess(lab.at))(method, { pool: 'pool1', owner, ...args }, await call()),
    hostd: async (host, method, args) =>
      wireClient(host === second.id ? secondAccess(lab, second) : hostdAccess(lab.at))(
        method,
        { owner, ...args },
        await call(),
      ),
    tgtadm: async (...args) => {
      const env = { ...process.env, TGT_IPC_SOCKET: join(lab.at.san, 'tgtd') }
      return (await run('tgtadm', ['-C', '1', '--lld', 'iscsi', ...args], { env })).stdout
    },
    sql: async (statement) => {
      const where = ['-h', join(lab.at.controller, 'postgres'), '-U', 'moorage', 'moorage']
      return (await run('psql', [...where, '-X', '-A', '-t', '-q', '-c', statement])).stdout.trim()
    },
    hosts,
    hostOf: async (vm) => text((await lab.api.list('listVirtualMachines', { id: vm }))[0] ?? {}, 'hostid'),
    async stop() {
      await second.stop()
      await lab.stop()
    },
  }
}

function secondAccess(lab: RealLab, { dir }: SecondHost) {
  const { user, password } = credentials(lab.at.root, 'hostd2')
  return { url: text(runningDaemon(dir) ?? {}, 'url'), user, password }
}

async function poolOfFiles({ at, api, cloud }: RealLab): Promise<string> {
  const dir = join(at.root, 'files')
  mkdirSync(dir)
  const pool = await api.run('createStoragePool', {
    name: 'files',
    zoneid: cloud.zone,
    scope: 'zone',
    hypervisor: 'KVM',
    provider: 'file',
    url: `file://${dir}`,
    managed: true,
    'details[0].format': 'qcow2',
  })
  await api.run('enableStorageMaintenance', { id: text(pool, 'id') })
  return dir
}

async function ownThings({ api, cloud }: RealLab): Promise<Pick<Yard, 'vm' | 'used' | 'idle' | 'resting'>> {
  const limited = { name: 'limited', displaytext: 'limited', disksize: 1, maxiops: 500, qostier: 'storage' }
  const diskofferingid = text(await api.run('createDiskOffering', limited), 'id')
  const [offering, template] = await Promise.all([
    api.list('listServiceOfferings', { name: 'lab-small' }),
    api.list('listTemplates', { templatefilter: 'all', name: 'lab-guest' }),
  ])
  const shape = {
    zoneid: cloud.zone,
    serviceofferingid: text(offering[0] ?? {}, 'id'),
    templateid: text(template[0] ?? {}, 'id'),
  }
  const made = async (of: Promise<Entity>) => text(await of, 'id')
  const vm = await made(api.run('deployVirtualMachine', { name: 'own', ...shape }))
  const resting = await made(api.run('deployVirtualMachine', { name: 'resting', ...shape, startvm: false }))
  const volume = { zoneid: cloud.zone, diskofferingid }
  const used = await made(api.run('createVolume', { name: 'used', ...volume }))
  const idle = await made(api.run('createVolume', { name: 'idle', ...volume }))
  for (const id of [used, idle]) await api.run('attachVolume', { id, virtualmachineid: vm })
  await api.run('detachVolume', { id: idle })
  return { vm, used, idle, resting }
}
