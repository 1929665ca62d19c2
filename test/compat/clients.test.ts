import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type CompatCloud, needs, PACKAGES, PYTHON, shown, startCompatCloud } from './cloud.ts'
import { tourByCsclient } from './csclient-tour.ts'
import { tourByPacker } from './packer-tour.ts'

const run = promisify(execFile)
const PACKER = '/usr/bin/packer'

describe('over the wire, unmodified, on one simulated cloud:', () => {
  let cloud: CompatCloud
  beforeAll(async () => {
    cloud = await startCompatCloud()
  })
  afterEach(() => cloud.nothingLeft())
  afterAll(() => cloud.stop())

  /** Runs a script of this folder to its end; what it printed. */
  async function play(script: string): Promise<string> {
    const { controller, keys } = cloud
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
    await tourByCsclient({ baseUrl: `${cloud.controller.url}?`, ...cloud.keys })
  })

  it('Packer builds a template of a machine with a root disk, and machines start from it', async (context) => {
    needs(context, { path: PACKER, from: 'packer' })
    const home = join(cloud.home, 'packer')
    mkdirSync(home)
    await tourByPacker(cloud.controller, { packer: PACKER, archive: join(home, 'archive'), home }).catch(shown)
  })
})
