import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { text } from '../../lab/api.ts'
import { until } from '../../lab/process.ts'
import { IQN, type Yard } from '../support/yard.ts'

/** What is not to change: things of others at every back end, and a VM of ours that nobody plants anything in. */
export interface Strangers {
  /** What can be seen of all of it, bytes by their digest. */
  look(): Promise<readonly string[]>
  /** Ends what they run. */
  stop(): Promise<void>
}

/** A QEMU that somebody started by hand in the directory of a host daemon, under the name of an installation. */
export async function qemuByHand(folder: string, of: { readonly id: string; readonly mark: string }) {
  mkdirSync(folder, { recursive: true })
  const qmp = `unix:${join(folder, 'q')},server=on,wait=off`
  const shape = ['-nodefaults', '-display', 'none', '-M', 'none', '-S', '-name', of.mark, '-uuid', of.id]
  const child = spawn('qemu-system-x86_64', [...shape, '-qmp', qmp], { stdio: 'ignore' })
  const isThere = async () => existsSync(join(folder, 'q')) || undefined
  await until(isThere, { what: 'the monitor of a QEMU', withinMs: 20_000 })
  return child
}

/** Puts strangers beside everything that is ours. */
export async function strangersIn(yard: Yard): Promise<Strangers> {
  const { lab, files } = yard
  const stranger = randomUUID()
  const bystander = await bystanderIn(yard)
  const theirs = join(lab.at.san, 'pool', stranger, 'volumes', `${randomUUID()}.raw`)
  const strewn = [theirs, join(lab.at.san, 'pool', 'notes.txt'), join(files, 'notes.txt')]
  for (const path of strewn) put(path)
  const volume = randomUUID()
  const at = { pool: 'pool1', owner: stranger }
  await yard.san('volumes/create', { ...at, spec: { id: volume, bytes: 2 ** 20, qos: {}, settings: {} } })
  const consumer = { kind: 'host', id: randomUUID(), initiator: 'iqn.2001-04.com.example:stranger' }
  const exposure = { source: { kind: 'volume', id: volume }, consumer, mode: 'rw', account: 'theirs' }
  await yard.san('access/expose', { ...at, exposure })
  const iqn = 'iqn.2001-04.com.example:disk'
  await yard.tgtadm('--mode', 'target', '--op', 'new', '--tid', '9002', '-T', iqn)
  const [host = ''] = await yard.hosts()
  const machine = randomUUID()
  await yard.hostd(host, 'vms/start', { owner: stranger, spec: specOf(machine) })
  const id = randomUUID()
  const qemu = await qemuByHand(join(lab.at.hostd, 'vms', id), { id, mark: 'somebody' })
  return {
    async look() {
      return [
        ...bystander.files.map((path) => `${path} ${digest(path)}`),
        ...strewn.map((path) => `${path} ${readFileSync(path, 'utf8')}`),
        digest(join(lab.at.san, 'pool', stranger, 'volumes', `${volume}.raw`)),
        ...(await targets(yard, [iqn, `${IQN}volume-${volume}`])),
        JSON.stringify(await yard.hostd(host, 'vms/get', { owner: stranger, id: machine })),
        JSON.stringify(await yard.hostd(bystander.host, 'vms/get', { id: lab.cloud.vm })),
        `qemu ${qemu.pid} ${String(qemu.exitCode ?? qemu.signalCode)}`,
      ]
    },
    stop: async () => ended(qemu),
  }
}

/** Kills a QEMU that was started by hand, if it still runs. */
export async function ended(qemu: ChildProcess): Promise<void> {
  qemu.kill('SIGKILL')
  await until(async () => qemu.exitCode ?? qemu.signalCode ?? undefined, {
    what: 'the end of a QEMU',
    withinMs: 20_000,
  })
}

/** What a host daemon is told to start. */
export function specOf(id: string): object {
  return { id, name: 'planted', cpus: 1, memoryBytes: 64 * 2 ** 20, disks: [] }
}

/** The volume of the VM of the lab, with data and a snapshot. */
async function bystanderIn({ lab, owner, hostOf }: Yard): Promise<{ readonly files: string[]; readonly host: string }> {
  const { api, cloud, at } = lab
  const plain = { name: 'plain', displaytext: 'plain', disksize: 1 }
  const diskofferingid = text(await api.run('createDiskOffering', plain), 'id')
  const volume = text(await api.run('createVolume', { name: 'v', zoneid: cloud.zone, diskofferingid }), 'id')
  await api.run('attachVolume', { id: volume, virtualmachineid: cloud.vm })
  const data = join(at.san, 'pool', owner, 'volumes', `${volume}.raw`)
  const file = openSync(data, 'r+')
  writeSync(file, randomBytes(2 ** 20), 0, 2 ** 20, 4096)
  closeSync(file)
  const snapshot = text(await api.run('createSnapshot', { volumeid: volume }), 'id')
  const copy = join(at.san, 'pool', owner, 'snapshots', `${snapshot}@${volume}.raw`)
  return { files: [data, copy], host: await hostOf(cloud.vm) }
}

function put(path: string): void {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, `theirs ${randomUUID()}`)
}

/** Of the beginning, where the data is: the rest is a hole. */
function digest(path: string): string {
  const [file, bytes] = [openSync(path, 'r'), Buffer.alloc(4 * 2 ** 20)]
  readSync(file, bytes, 0, bytes.length, 0)
  closeSync(file)
  return createHash('sha256').update(bytes).digest('hex')
}

/** What tgtd tells of some targets. */
async function targets(yard: Yard, iqns: readonly string[]): Promise<readonly string[]> {
  const shown = (await yard.tgtadm('--mode', 'target', '--op', 'show')).split(/^(?=Target \d+: )/m)
  return shown.filter((section) => iqns.some((iqn) => section.split('\n')[0]?.endsWith(`: ${iqn}`)))
}
