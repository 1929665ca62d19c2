import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type CompatCloud, namesOf, needs, PACKAGES, PYTHON, shown, startCompatCloud } from './cloud.ts'

const run = promisify(execFile)

describe('over the wire, unmodified, on a simulated cloud of its own:', () => {
  let cloud: CompatCloud
  let archive: string
  beforeAll(async () => {
    cloud = await startCompatCloud()
    archive = join(cloud.home, 'archive')
    mkdirSync(archive)
  })
  afterEach(() => cloud.nothingLeft())
  afterAll(() => cloud.stop())

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

  /** Names of what a playbook makes besides machines and volumes. */
  async function offered(): Promise<unknown> {
    const lists = ['listDiskOfferings', 'listServiceOfferings', 'listStoragePools', 'listImageStores', 'listTemplates']
    const found = await Promise.all(lists.map((list) => cloud.controller.api.list(list, { templatefilter: 'all' })))
    return found.map(namesOf)
  }

  async function playbook(name: string, more: readonly string[] = []): Promise<Played> {
    const { controller, keys, home } = cloud
    const { user, password } = JSON.parse(
      readFileSync(join(controller.dir, 'simulator.credentials.json'), 'utf8'),
    ) as Readonly<Record<string, string>> // As the simulator's daemon writes it.
    const port = readFileSync(join(controller.dir, 'simulator.port'), 'utf8').trim()
    const env = {
      PATH: '/usr/bin:/bin',
      HOME: home,
      LC_ALL: 'C.UTF-8',
      PYTHONDONTWRITEBYTECODE: '1',
      ANSIBLE_NOCOLOR: '1',
      ANSIBLE_PIPELINING: '1',
      ANSIBLE_PYTHON_INTERPRETER: PYTHON,
      CLOUDSTACK_ENDPOINT: controller.url,
      CLOUDSTACK_KEY: keys.apiKey,
      CLOUDSTACK_SECRET: keys.secretKey,
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
