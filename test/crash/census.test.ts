import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { wireClient } from '@moorage/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { text } from '../../lab/api.ts'
import { labCall } from '../../lab/guest.ts'
import { hostdAccess } from '../../lab/parts.ts'
import { runningDaemon } from '../../lab/process.ts'
import { findings } from '../support/census.ts'
import { processesIn } from '../support/processes.ts'
import { realLab, type RealLab } from '../support/real-lab.ts'

const run = promisify(execFile)

/** Things put on real parts behind Moorage's back: the census names each, and touches none. */
describe('a census of the real SAN and host', () => {
  let lab: RealLab
  let owner = ''

  beforeAll(async () => {
    lab = await realLab('guestless')
    owner = text(runningDaemon(lab.at.controller) ?? {}, 'installation')
    const plain = { name: 'plain', displaytext: 'plain', disksize: 1 }
    const diskofferingid = text(await lab.api.run('createDiskOffering', plain), 'id')
    const volume = await lab.api.run('createVolume', { name: 'v', zoneid: lab.cloud.zone, diskofferingid })
    await lab.api.run('attachVolume', { id: text(volume, 'id'), virtualmachineid: lab.cloud.vm })
  }, 120_000)

  afterAll(() => lab.stop(), 120_000)

  it('finds nothing where nothing was planted', async () => {
    expect(await findings(lab.api)).toEqual([])
  })

  it('finds a volume, a target and a machine that bear our name and are not recorded, until they are gone', async () => {
    const [volume, served, vm] = [randomUUID(), randomUUID(), randomUUID()]
    const file = join(lab.at.san, 'pool', owner, 'volumes', `${volume}.raw`)
    writeFileSync(file, 'left over')
    const iqn = `iqn.2026-01.cloud.moorage.san:volume-${served}`
    await tgtadm('--mode', 'target', '--op', 'new', '--tid', '9001', '-T', iqn)
    await hostd('vms/start', { spec: machine(vm), owner })
    const found = await findings(lab.api)
    expect(found.map(({ kind, object }) => `${String(kind)} ${String(object)}`).toSorted()).toEqual(
      [`stale structure:${iqn}`, `orphan vm:${vm}`, `orphan volume:${volume}`].toSorted(),
    )
    expect(existsSync(file)).toBe(true)
    expect(await tgtadm('--mode', 'target', '--op', 'show')).toContain(iqn)
    await hostd('vms/stop', { id: vm, owner, force: true })
    await tgtadm('--mode', 'target', '--op', 'delete', '--tid', '9001')
    rmSync(file)
    expect(await findings(lab.api)).toEqual([])
  })

  it('counts what is foreign, calls it nothing else, and leaves it alone', async () => {
    const [stranger, vm] = [randomUUID(), randomUUID()]
    const iqn = 'iqn.2001-04.com.example:disk'
    const folder = join(lab.at.san, 'pool', stranger, 'volumes')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${randomUUID()}.raw`), 'theirs')
    await tgtadm('--mode', 'target', '--op', 'new', '--tid', '9002', '-T', iqn)
    await hostd('vms/start', { spec: machine(vm), owner: stranger })
    expect(await findings(lab.api)).toEqual([])
    const foreign = await lab.api.list('listCensusFindings', { state: 'open' })
    expect(foreign.map(({ kind, object }) => `${String(kind)} ${String(object)}`).toSorted()).toEqual([
      'foreign structure',
      'foreign vm',
      'foreign volume',
    ])
    expect(readdirSync(folder)).toHaveLength(1)
    expect(await tgtadm('--mode', 'target', '--op', 'show')).toContain(iqn)
    expect(await hostd('vms/get', { id: vm, owner: stranger })).toMatchObject({ state: 'running' })
    await hostd('vms/stop', { id: vm, owner: stranger, force: true })
    await tgtadm('--mode', 'target', '--op', 'delete', '--tid', '9002')
    rmSync(join(lab.at.san, 'pool', stranger), { recursive: true })
  })

  it('no secret of the installation is in a log, a command line or a file that others may read', () => {
    const secrets = secretsOf(lab)
    expect(secrets.length).toBeGreaterThan(5)
    const told = processesIn(lab.at.root).join('\n')
    const open = readdirSync(lab.at.root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => path.endsWith('.log') || (mode(path) & 0o077) !== 0)
      .filter((path) => !path.includes('/postgres/base/') && statSync(path).size < 4 * 2 ** 20)
    const leaks = open.filter((path) => secrets.some((secret) => readFileSync(path, 'latin1').includes(secret)))
    expect(leaks).toEqual([])
    expect(secrets.filter((secret) => told.includes(secret))).toEqual([])
  })

  function hostd(method: string, args: object): Promise<unknown> {
    return wireClient(hostdAccess(lab.at))(method, args, labCall(20_000, 1_000_000))
  }

  /** tgtd itself, past the SAN's daemon. */
  async function tgtadm(...args: readonly string[]): Promise<string> {
    const env = { ...process.env, TGT_IPC_SOCKET: join(lab.at.san, 'tgtd') }
    return (await run('tgtadm', ['-C', '1', '--lld', 'iscsi', ...args], { env })).stdout
  }
})

function machine(id: string): object {
  return { id, name: 'planted', cpus: 1, memoryBytes: 64 * 2 ** 20, disks: [] }
}

function mode(path: string): number {
  return statSync(path).mode & 0o777
}

/** Passwords and keys from their files, and the CHAP secrets that the SAN holds. */
function secretsOf({ at }: RealLab): readonly string[] {
  const files = [
    join(at.controller, 'admin.json'),
    ...['san', 'hostd'].map((name) => join(at.root, `${name}.credentials.json`)),
  ]
  const found = files.flatMap((path) => {
    const content = JSON.parse(readFileSync(path, 'utf8')) as Readonly<Record<string, string>> // Flat, and written by the lab and the controller.
    return [content['password'], content['secretKey']].filter((value) => value !== undefined)
  })
  const chap = chapSecrets(at.san)
  const masterKey = readFileSync(join(at.controller, 'master.key'), 'utf8').trim()
  return [...found, masterKey, ...chap]
}

/** From a copy: the SAN keeps its own to itself. */
function chapSecrets(dir: string): readonly string[] {
  const copy = mkdtempSync(join(tmpdir(), 'moorage-census-'))
  try {
    for (const name of readdirSync(dir))
      if (name.startsWith('state.db')) copyFileSync(join(dir, name), join(copy, name))
    const database = new DatabaseSync(join(copy, 'state.db'))
    const rows = database.prepare('SELECT secret FROM accounts').all()
    database.close()
    return rows.map(({ secret }) => String(secret))
  } finally {
    rmSync(copy, { recursive: true })
  }
}
