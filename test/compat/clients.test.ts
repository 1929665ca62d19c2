import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it, type TestContext } from 'vitest'
import { stopDaemon } from '../../lab/process.ts'
import { adminKeys, controllerProcess, type ControllerProcess } from '../support/controller.ts'

const run = promisify(execFile)
const PYTHON = '/usr/bin/python3'
const PACKAGES = '/usr/lib/python3/dist-packages'

describe('over the wire, unmodified, on one simulated cloud:', () => {
  let controller: ControllerProcess
  const parent = mkdtempSync(join(tmpdir(), 'moorage-compat-'))

  beforeAll(async () => {
    controller = await controllerProcess({ parent, args: ['--seed', 'simulator'] })
  })

  // What a client leaves behind would be in the way of the next one.
  afterEach(async () => {
    const { api } = controller
    for (const list of ['listVirtualMachines', 'listVolumes', 'listSnapshots'])
      expect({ list, left: await api.list(list, { listall: true }) }).toEqual({ list, left: [] })
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
    const { stdout } = await run(PYTHON, [join(import.meta.dirname, script)], { env })
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
})

function needs(context: TestContext, client: { readonly path: string; readonly from: string }): void {
  if (!existsSync(client.path)) context.skip(`Debian's ${client.from} is not installed: tools/install.sh`)
}
