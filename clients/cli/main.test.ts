import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from '@moorage/api-client'
import { type Ground, makeGround, startController, type TestController } from '@moorage/controller/testing.ts'
import { examine } from './doctor.ts'
import { connectionOf, profileCommand, profilesFile } from './profiles.ts'
import { ask } from './run.ts'

let controller: TestController
let ground: Ground
let dir: string
let env: Readonly<Record<string, string>>

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  dir = mkdtempSync(join(tmpdir(), 'moorage-cli-'))
  const { apiKey, secretKey } = controller.keys
  env = { XDG_CONFIG_HOME: dir, MOORAGE_URL: controller.url, MOORAGE_API_KEY: apiKey, MOORAGE_SECRET_KEY: secretKey }
})
afterAll(async () => {
  rmSync(dir, { recursive: true })
  await controller.stop()
})

/** Runs a command and answers what it printed; `told` hears of its progress. */
async function moorage(argv: readonly string[], told: string[] = []): Promise<string> {
  const out: string[] = []
  const terminal = { print: (text: string) => void out.push(text), tell: (text: string) => void told.push(text) }
  await ask(argv, { ...terminal, env, tty: false })
  return out.join('')
}

/** The program itself. */
async function program(argv: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env, ...more },
  })
  const [out, err]: Buffer[][] = [[], []]
  child.stdout.on('data', (chunk: Buffer) => out?.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err?.push(chunk))
  await once(child, 'close')
  const text = (chunks: readonly Buffer[] | undefined) => Buffer.concat(chunks ?? []).toString()
  return { exit: child.exitCode, out: text(out), err: text(err) }
}

describe('a command', () => {
  test('that lists shows a table, all pages of it, or JSON', async () => {
    expect(await moorage(['list', 'zones'])).toMatch(/^ID +NAME .*\n[0-9a-f-]{36} +zone-one /)
    expect(await moorage(['list', 'zones', '--columns', 'name'])).toBe('NAME\nzone-one\n')
    const hosts: unknown = JSON.parse(await moorage(['list', 'hosts', '--json', '--pagesize', '1']))
    expect(hosts).toMatchObject([{ state: 'Up' }, { state: 'Up' }])
    expect(await moorage(['list', 'snapshots'])).toBe('')
  })

  test('that takes time answers its job at once, or waits for it and shows how far it has come', async () => {
    const { zone, service, template, offering } = ground
    const where = ['--zoneid', zone, '--serviceofferingid', service, '--templateid', template]
    await controller.simulator.faults.arm({ method: 'host/vms/start', kind: 'hold-before' })
    const told: string[] = []
    const waiting = moorage(['deploy', 'virtual-machine', ...where, '--wait', '--json'], told)
    await expect.poll(() => told.at(-1), { timeout: 30_000 }).toMatch(/^[0-9a-f-]{36}: running at start\n$/)
    await controller.simulator.faults.clear()
    const vm: unknown = JSON.parse(await waiting)
    expect(vm).toMatchObject({ state: 'Running' })
    const disk = ['--zoneid', zone, '--diskofferingid', offering, '--size', '1', '--name', 'v']
    expect(await moorage(['create', 'volume', ...disk])).toMatch(/^id +[0-9a-f-]{36}\njobid +[0-9a-f-]{36}\n$/)
  })

  test('that is refused says why, with the code and the request, and the program ends with 1', async () => {
    const { exit, err, out } = await program(['delete', 'zone', '--id', 'nothing'])
    expect({ exit, out }).toEqual({ exit: 1, out: '' })
    expect(err).toMatch(/^moorage: Unable to execute API command deletezone .* \(431, request [0-9a-f-]{36}\)\n$/)
  })

  test('that cannot be followed ends with 2, and one that nobody answers with 3', async () => {
    const nothing = await program(['list', 'moons'])
    expect({ exit: nothing.exit, told: nothing.err.includes('no command list moons') }).toEqual({ exit: 2, told: true })
    const nobody = await program(['list', 'zones'], { MOORAGE_URL: 'http://127.0.0.1:1' })
    expect(nobody).toMatchObject({ exit: 3, err: expect.stringContaining('no controller answers: ') as string }) // As above.
    expect(await program(['__complete', 'list', 'event'])).toEqual({ exit: 0, out: 'events\n', err: '' })
  })
})

describe('profiles', () => {
  const quiet = () => ({ XDG_CONFIG_HOME: dir })
  const input = () => JSON.stringify({ username: 'admin', ...controller.keys })

  test('are kept for their owner alone, with keys that were never in argv', async () => {
    expect(() => connectionOf(quiet(), undefined)).toThrow('no controller is known')
    profileCommand(quiet(), ['add', 'here', '--url', new URL(controller.url).origin, '--keys', '-'], input)
    const keysFile = join(dir, 'keys.json')
    writeFileSync(keysFile, input())
    profileCommand(quiet(), ['add', 'there', '--url', 'https://there.example.com', '--keys', keysFile], input)
    expect(profileCommand(quiet(), ['list'], input)).toBe(
      `* here  ${controller.url}\n  there  https://there.example.com/client/api\n`,
    )
    expect(statSync(profilesFile(quiet())).mode & 0o777).toBe(0o600)
    expect(connectionOf(quiet(), undefined)).toMatchObject({
      url: controller.url,
      keys: { apiKey: controller.keys.apiKey },
    })
    const zones = createClient(connectionOf(quiet(), 'here')).list('listZones')
    expect((await zones.next()).value).toMatchObject({ name: 'zone-one' })
    profileCommand(quiet(), ['use', 'there'], input)
    expect(connectionOf(quiet(), undefined).url).toBe('https://there.example.com/client/api')
    profileCommand(quiet(), ['remove', 'there'], input)
    expect(() => connectionOf(quiet(), 'there')).toThrow('there is no profile there: here')
  })

  test('that others may read are refused, and so is what cannot be followed', () => {
    chmodSync(profilesFile(quiet()), 0o644)
    expect(() => connectionOf(quiet(), undefined)).toThrow('chmod 600')
    chmodSync(profilesFile(quiet()), 0o600)
    expect(() => profileCommand(quiet(), ['add', 'x'], input)).toThrow('needs --url')
    expect(() => profileCommand(quiet(), ['add', 'x', '--url', 'ftp://x'], input)).toThrow('http:// or https://')
    expect(() => profileCommand(quiet(), ['add', 'x', '--url', 'http://x', '--secret', 'y'], input)).toThrow(
      'got --secret',
    )
    expect(() => profileCommand(quiet(), ['add', 'x', '--url', 'http://x', '--keys', '-'], () => '{}')).toThrow(
      'must hold',
    )
  })
})

test('the doctor says what is well, and names what is not', async () => {
  const { url, keys, store } = controller
  const well = await examine(url, createClient({ url, keys }))
  expect(well.filter(({ how }) => how === 'bad')).toEqual([])
  const about = ['node', 'controller', 'database', 'leases', 'clock', 'keys', 'hosts', 'pools', 'operations', 'census']
  expect([...new Set(well.map((one) => one.about))]).toEqual(about)
  await store.reader.updateTable('host').set({ state: 'Down' }).where('id', '=', ground.hosts[0]).execute()
  const ill = await examine(url, createClient({ url, keys }))
  const bad = ill.filter(({ how }) => how === 'bad')
  expect(bad.map((one) => `${one.about}: ${one.text}`)).toEqual([expect.stringMatching(/^hosts: .* is Down$/)])
  const nobody = await examine('http://127.0.0.1:1/client/api', createClient({ url: 'http://127.0.0.1:1/client/api' }))
  expect(nobody.map(({ about: what, how }) => `${what} ${how}`)).toEqual(['node well', 'controller bad'])
})
