import { execFile } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePorts } from '@moorage/wire/testing'

const run = promisify(execFile)
const REPOSITORY = join(import.meta.dirname, '../..')
const NOBODY = 65_534
const MINUTES = 60_000
/** From the API's to the portal's: lab/layout.ts. */
const LAB_PORTS = 23
const readable = (statSync(join(REPOSITORY, 'package.json')).mode & 0o004) !== 0

/**
 * As somebody who is not root. The checkout may lie where that user cannot go, so it is mounted at a place of the test's
 * own, in a mount namespace that ends with the last process in it.
 */
describe.skipIf(!readable)('the quickstart without root (skipped: the checkout is closed to other users)', () => {
  const root = mkdtempSync(join(tmpdir(), 'moorage-simulated-'))
  const [checkout, home] = [join(root, 'checkout'), join(root, 'home')]
  let port = 0

  function lab(script: string) {
    const asNobody = `exec setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups "$0" "$@"`
    const mounted = `mount --bind '${REPOSITORY}' '${checkout}' && cd '${checkout}' && ${asNobody}`
    const command = ['./tools/run', 'node', `lab/${script}`]
    const env = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', HOME: home, MOORAGE_LAB_PORT: String(port) }
    return run('unshare', ['--mount', 'sh', '-c', mounted, ...command], { env, timeout: 2 * MINUTES })
  }

  beforeAll(async () => {
    chmodSync(root, 0o755)
    mkdirSync(checkout)
    mkdirSync(home, { mode: 0o700 })
    chownSync(home, NOBODY, NOBODY)
    port = await freePorts(LAB_PORTS)
  })

  afterAll(() => rmSync(root, { recursive: true, force: true }))

  it('says what is simulated and why, takes the tour on it and ends 0', async () => {
    const { stdout } = await lab('quickstart.ts')
    expect(stdout).toContain('The array and the hosts are SIMULATED on this machine, because:\n    not root')
    expect(stdout).toContain('every byte is back')
    expect(stdout).toContain('array, host and database agree')
    expect(stdout).toContain('iSCSI      none: the array is simulated')
  })

  it('takes it again on what runs already', async () => {
    const { stdout } = await lab('quickstart.ts')
    expect(stdout).toContain('runs already')
    expect(stdout).toContain('array, host and database agree')
  })

  it('is ended by make down, also when its controller was killed, and leaves no process and no file', async () => {
    const before = processesOf(root)
    expect(before.some(({ command }) => command.includes('postgres'))).toBe(true)
    const controller = before.find(({ command }) => command.includes('controller/main.ts serve'))
    expect(controller).toBeDefined()
    process.kill(controller?.pid ?? 0, 'SIGKILL') // Checked to be there.
    const { stdout } = await lab('down.ts')
    expect(stdout).toContain('simulator: stopped')
    expect(stdout).toContain('database: stopped')
    expect(processesOf(root)).toEqual([])
    expect(readdirSync(home)).toEqual([])
  })
})

/** Living processes that name `dir` in their arguments or work below it. */
function processesOf(dir: string): readonly { readonly pid: number; readonly command: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((name) => ({ pid: Number(name), command: commandOf(name), cwd: join('/proc', name, 'cwd') }))
    .filter(({ command, cwd }) => command !== '' && (command.includes(dir) || worksBelow(cwd, dir)))
    .map(({ pid, command }) => ({ pid, command }))
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

function worksBelow(cwd: string, dir: string): boolean {
  try {
    return readlinkSync(cwd).startsWith(`${dir}/`)
  } catch {
    return false
  }
}
