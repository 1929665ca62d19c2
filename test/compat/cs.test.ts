import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stopDaemon } from '../../lab/process.ts'
import { adminKeys, controllerProcess, type ControllerProcess } from '../support/controller.ts'

const run = promisify(execFile)

describe('python cs, as Debian packages it', () => {
  let controller: ControllerProcess
  const parent = mkdtempSync(join(tmpdir(), 'moorage-compat-'))

  beforeAll(async () => {
    controller = await controllerProcess({ parent, args: ['--seed', 'simulator'] })
  })

  afterAll(async () => {
    await controller.stop()
    await stopDaemon(join(controller.dir, 'simulator'), 10_000)
    rmSync(parent, { recursive: true, force: true })
  })

  it('does the volume part of the tour, unmodified, over the wire', async () => {
    const keys = adminKeys(controller.dir)
    const env = {
      PATH: '/usr/bin:/bin',
      MOORAGE_URL: controller.url,
      MOORAGE_API_KEY: keys.apiKey,
      MOORAGE_SECRET_KEY: keys.secretKey,
    }
    const { stdout } = await run('/usr/bin/python3', [join(import.meta.dirname, 'cs-tour.py')], { env })
    expect(
      stdout
        .trim()
        .split('\n')
        .filter((line) => line.startsWith('ok:')),
    ).toHaveLength(16)
  })
})
