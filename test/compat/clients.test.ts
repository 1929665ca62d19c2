import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it, type TestContext } from 'vitest'
import type { Entity } from '../../lab/api.ts'
import { stopDaemon } from '../../lab/process.ts'
import { adminKeys, controllerProcess, type ControllerProcess } from '../support/controller.ts'
import { tourByCsclient } from './csclient-tour.ts'
import { tourByPacker } from './packer-tour.ts'

const run = promisify(execFile)
const PYTHON = '/usr/bin/python3'
const PACKER = '/usr/bin/packer'
const PACKAGES = '/usr/lib/python3/dist-packages'

describe('over the wire, unmodified, on one simulated cloud:', () => {
  let controller: ControllerProcess
  const parent = mkdtempSync(join(tmpdir(), 'moorage-compat-'))

  const archive = join(parent, 'archive')

  beforeAll(async () => {
    mkdirSync(archive)
    controller = await controllerProcess({ parent, args: ['--seed', 'simulator'] })
  })

  // What a client leaves behind would be in the way of the next one.
  afterEach(async () => {
    const { api } = controller
    for (const list of ['listVirtualMachines', 'listVolumes', 'listSnapshots'])
      expect({ list, left: namesOf(await api.list(list, { listall: true })) }).toEqual({ list, left: [] })
    await api.run('runCensus')
    const found = await api.list('listCensusFindings', { state: 'open' })
    expect(found.filter(({ kind }) => kind !== 'foreign')).toEqual([])
  })

  afterAll(async () => {
    await controller.stop()
    await stopDaemon(join(controller.dir, 'simulator'), 10_000)
    rmSync(parent, { recursive: true, force: true })
  })

  /** Runs a script of this folder to its end; what it printed. */
  async function play(script: string): Promise<string> {
    const keys = adminKeys(controller.dir)
    const env = {
      PATH: '/usr/bin:/bin',
      PYTHONDONTWRITEBYTECODE: '1',
      MOORAGE_URL: controller.url,
      MOORAGE_API_KEY: keys.apiKey,
      MOORAGE_SECRET_KEY: keys.secretKey,
    }
    const { stdout } = await run(PYTHON, [join(import.meta.dirname, script)], { env }).catch(shown)
    expect(stdout).toMatch(/\nend\n$/)
    return stdout
  }

  it('python cs does the volume part of the tour', async (context) => {
    needs(context, { path: `${PACKAGES}/cs`, from: 'python3-cs' })
    await play('cs-tour.py')
  })

  it('Apache Libcloud makes every storage and node call of its driver', async (context) => {
    needs(context, { path: `${PACKAGES}/libcloud`, from: 'python3-libcloud' })
    await play('libcloud-tour.py')
  })

  it("npm's csclient leads a volume through its life, in both of its modes", async () => {
    const keys = adminKeys(controller.dir)
    await tourByCsclient({ baseUrl: `${controller.url}?`, ...keys })
  })

  it('Ansible comes to what a playbook says, and changes nothing the second time', async (context) => {
    needs(context, { path: `${PACKAGES}/ansible_collections/ngine_io/cloudstack`, from: 'ansible' })
    const pristine = await offered()
    expect(await playbook('present.yml')).toMatchObject({ changed: 8 })
    expect(await playbook('present.yml')).toEqual({ ok: 10, changed: 0 })
    const larger = ['--tags', 'grow', '-e', 'volume_size=5', '-e', 'idle_offering=ansible-large']
    expect(await playbook('present.yml', larger)).toEqual({ ok: 3, changed: 2 })
    expect(await playbook('absent.yml')).toEqual({ ok: 7, changed: 7 })
    expect(await offered()).toEqual(pristine)
  })

  it('Packer builds a template of a machine with a root disk, and machines start from it', async (context) => {
    needs(context, { path: PACKER, from: 'packer' })
    const home = join(parent, 'packer')
    mkdirSync(home)
    await tourByPacker(controller, { packer: PACKER, archive: join(home, 'archive'), home }).catch(shown)
  })

  /** Names of what a playbook makes besides machines and volumes. */
  async function offered(): Promise<unknown> {
    const lists = ['listDiskOfferings', 'listServiceOfferings', 'listStoragePools', 'listImageStores', 'listTemplates']
    const found = await Promise.all(lists.map((list) => controller.api.list(list, { templatefilter: 'all' })))
    return found.map(namesOf)
  }

  async function playbook(name: string, more: readonly string[] = []): Promise<Played> {
    const { apiKey, secretKey } = adminKeys(controller.dir)
    const { user, password } = JSON.parse(
      readFileSync(join(controller.dir, 'simulator.credentials.json'), 'utf8'),
    ) as Readonly<Record<string, string>> // As the simulator's daemon writes it.
    const port = readFileSync(join(controller.dir, 'simulator.port'), 'utf8').trim()
    const env = {
      PATH: '/usr/bin:/bin',
      HOME: parent,
      LC_ALL: 'C.UTF-8',
      PYTHONDONTWRITEBYTECODE: '1',
      ANSIBLE_NOCOLOR: '1',
      ANSIBLE_PIPELINING: '1',
      ANSIBLE_PYTHON_INTERPRETER: PYTHON,
      CLOUDSTACK_ENDPOINT: controller.url,
      CLOUDSTACK_KEY: apiKey,
      CLOUDSTACK_SECRET: secretKey,
    }
    const storage_url = `simulator://${user}:${password}@127.0.0.1:${port}/ansible`
    const vars = { zone: 'simulator', storage_url, archive_url: `file://${archive}` }
    const where = ['--inventory', 'localhost,', '--connection', 'local', '-e', JSON.stringify(vars)]
    const file = join(import.meta.dirname, 'ansible', name)
    const { stdout } = await run('/usr/bin/ansible-playbook', [...where, ...more, file], { env }).catch(shown)
    const [, ok, changed] = /^localhost +: ok=(\d+) +changed=(\d+) +unreachable=0 +failed=0 /m.exec(stdout) ?? []
    if (changed === undefined) throw new Error(stdout)
    return { ok: Number(ok), changed: Number(changed) }
  }
})

/** Where a playbook ends, `ansible-playbook` tells what changed. */
interface Played {
  readonly ok: number
  readonly changed: number
}

function needs(context: TestContext, client: { readonly path: string; readonly from: string }): void {
  if (!existsSync(client.path)) context.skip(`Debian's ${client.from} is not installed: tools/install.sh`)
}

function namesOf(items: readonly Entity[]): readonly unknown[] {
  return items.map(({ name }) => name)
}

/** What a program that failed said: it is more than the message of its error. */
function shown(error: Error & { readonly stdout?: string; readonly stderr?: string }): never {
  throw new Error(`${error.message}\n${error.stdout ?? ''}\n${error.stderr ?? ''}`, { cause: error })
}
