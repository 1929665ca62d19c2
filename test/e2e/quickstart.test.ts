import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePorts } from '@moorage/wire/testing'
import { mountsIn, processesIn } from '../support/processes.ts'

const run = promisify(execFile)
const LAB = join(import.meta.dirname, '../../lab')
const MINUTES = 60_000
/** From the API's to the mover's: lab/layout.ts. */
const LAB_PORTS = 24

describe('the quickstart', () => {
  const root = mkdtempSync(join(tmpdir(), 'moorage-quickstart-'))
  let env: NodeJS.ProcessEnv = {}
  const lab = (script: string, ...more: readonly string[]) =>
    run(process.execPath, [join(LAB, script), ...more], { env, timeout: 10 * MINUTES })

  beforeAll(async () => {
    env = {
      ...process.env,
      MOORAGE_LAB: join(root, 'lab'),
      MOORAGE_LAB_PORT: String(await freePorts(LAB_PORTS)),
    }
  })

  afterAll(() => rmSync(root, { recursive: true, force: true }))

  it(
    'takes the whole tour on real parts and ends 0',
    async () => {
      const { stdout } = await lab('quickstart.ts')
      expect(stdout).not.toContain('SIMULATED')
      expect(stdout).toMatch(/snapshot archived .*MiB read, .* stored \(/)
      expect(stdout).toContain('array, host and database agree')
    },
    10 * MINUTES,
  )

  it(
    'takes it again on what runs already, this time without what takes long to measure',
    async () => {
      const { stdout } = await lab('quickstart.ts', '--brief')
      expect(stdout).toContain('runs already')
      expect(stdout).toContain('array, host and database agree')
    },
    10 * MINUTES,
  )

  it(
    'is ended by make down, which leaves no process, mount or file',
    async () => {
      await lab('down.ts')
      expect(processesIn(root)).toEqual([])
      expect(mountsIn(root)).toEqual([])
    },
    2 * MINUTES,
  )
})
