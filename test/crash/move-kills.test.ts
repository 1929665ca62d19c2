import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { text } from '../../lab/api.ts'
import { runningDaemon, until } from '../../lab/process.ts'
import { startController, startHostd } from '../../lab/stack.ts'
import { SILENT } from '../../lab/terminal.ts'
import { loopMount, type LoopMount } from '../../plugins/storage/file/testing/loop-mount.ts'
import { findings } from '../support/census.ts'
import { controllerProcess, type ControllerProcess } from '../support/controller.ts'
import { sharing } from '../support/controllers.ts'
import { killDaemon } from '../support/processes.ts'
import { random } from '../support/random.ts'
import { realLab, type RealLab } from '../support/real-lab.ts'

const run = promisify(execFile)
const MIB = 1024 ** 2
const KILLS = 4
/** Of the offering, and of the pools that its volume may move to. */
const TAG = 'moving'

/** The real parts of the crash matrix are one array: here a volume moves between two kinds of them. */
describe('a volume that moves between a real SAN and files while what moves it dies', () => {
  const seed = Number(process.env['MOORAGE_SEED'] ?? Date.now() % 1_000_000)
  const next = random(seed)
  let lab: RealLab
  let second: ControllerProcess
  let mount: LoopMount
  let volume = ''
  let kept = ''

  beforeAll(async () => {
    mount = await loopMount('xfs')
    lab = await realLab('guestless')
    await filePool('first')
    const offering = { name: 'moving', displaytext: 'moving', disksize: 1, tags: TAG }
    const diskofferingid = text(await lab.api.run('createDiskOffering', offering), 'id')
    volume = text(await lab.api.run('createVolume', { name: 'v', zoneid: lab.cloud.zone, diskofferingid }), 'id')
    await attach()
    await lab.api.run('updateStoragePool', { id: lab.cloud.pool, tags: TAG })
    await lab.api.run('detachVolume', { id: volume })
    kept = await filled(await fileIn('first'))
    await attach()
    second = await controllerProcess({ parent: lab.at.root, name: 'second', env: sharing(lab.at.controller) })
  }, 180_000)

  afterAll(async () => {
    await second.stop()
    await lab.stop()
    await mount.stop()
  }, 120_000)

  it(`is moved to the SAN and on under a running VM, though controllers are killed at random (seed ${seed})`, async () => {
    for (const pool of [lab.cloud.pool, await filePool('second'), await filePool('third')]) {
      const { job } = await second.api.submit('migrateVolume', { ...to(pool), livemigrate: true })
      let kills = 0
      while (kills === 0 || (kills < KILLS && (await stateOf(job)) === 0)) {
        await pause(next() * 600)
        // One of the two, whichever works on it.
        if (next() < 0.5) {
          await killDaemon(lab.at.controller)
          await startController(lab.at, SILENT)
        } else {
          await second.kill()
          await second.start()
        }
        kills += 1
      }
      expect(await moved(job)).toEqual({ ends: 1, pool, findings: [] })
    }
    await lab.api.run('detachVolume', { id: volume })
    await run('cmp', [kept, await fileIn('third')])
  }, 300_000)

  it('is moved to files at rest by another controller, while the first is stopped, which changes nothing when it goes on', async () => {
    const pool = await filePool('fourth')
    const { job } = await lab.api.submit('migrateVolume', to(pool))
    await copying(job)
    const stopped = runningDaemon(lab.at.controller)?.pid ?? 0
    process.kill(stopped, 'SIGSTOP')
    try {
      await until(async () => ((await stateOf(job)) === 0 ? undefined : true), {
        what: 'the other controller to end it',
        withinMs: 120_000,
      })
    } finally {
      process.kill(stopped, 'SIGCONT')
    }
    expect(await moved(job)).toEqual({ ends: 1, pool, findings: [] })
    await run('cmp', [kept, await fileIn('fourth')])
  }, 300_000)

  it('is left where it was, with nothing beside it, when the host daemon is killed and the move is aborted', async () => {
    const last = await filePool('last')
    await attach()
    const before = (await second.api.list('listVolumes', { id: volume }))[0]?.['storageid']
    const { job } = await second.api.submit('migrateVolume', { ...to(last), livemigrate: true })
    await copying(job)
    await killDaemon(lab.at.hostd)
    await second.api.run('abortOperation', { id: job })
    await startHostd(lab.at, SILENT)
    // The copy may have come to its end before it was told.
    const { ends, pool: lives, findings: left } = await moved(job)
    expect({ lives, left }).toEqual({ lives: ends === 1 ? last : before, left: [] })
    expect((await second.api.list('listVolumes', { id: volume }))[0]).toMatchObject({
      state: 'Ready',
      virtualmachineid: lab.cloud.vm,
    })
    await run('cmp', [kept, await fileIn(ends === 1 ? 'last' : 'fourth')])
  }, 300_000)

  function to(storageid: string) {
    return { volumeid: volume, storageid }
  }

  async function attach(): Promise<void> {
    await lab.api.run('attachVolume', { id: volume, virtualmachineid: lab.cloud.vm })
  }

  /** Registers a directory as a pool; answers its id. */
  async function filePool(name: string): Promise<string> {
    const root = join(mount.path, name)
    await mkdir(root)
    const pool = { name, provider: 'file', scope: 'zone', hypervisor: 'KVM', url: `file://${root}`, tags: TAG }
    return text(await lab.api.run('createStoragePool', { ...pool, zoneid: lab.cloud.zone, managed: true }), 'id')
  }

  /** The file of the volume in a pool of files. */
  async function fileIn(name: string): Promise<string> {
    const { stdout } = await run('find', [join(mount.path, name), '-name', `${volume}.raw`])
    return stdout.trim()
  }

  async function stateOf(job: string): Promise<unknown> {
    const answer = await second.api.raw('queryAsyncJobResult', { jobid: job }).catch(() => undefined)
    return answer?.['jobstatus'] ?? 0
  }

  /** Returns once the operation is at the copy. */
  async function copying(job: string): Promise<void> {
    const step = async () => (await second.api.list('listOperations', { id: job }))[0]?.['step']
    await until(async () => ((await step()) === 'copy' ? true : undefined), {
      what: 'the copy to begin',
      withinMs: 60_000,
    })
  }

  /** How the move ended, where the volume is by now, and what a census finds. */
  async function moved(job: string) {
    await until(async () => ((await stateOf(job)) === 0 ? undefined : true), {
      what: 'the move to end',
      withinMs: 200_000,
    })
    const [found] = await second.api.list('listVolumes', { id: volume })
    return { ends: await stateOf(job), pool: found?.['storageid'], findings: await findings(second.api) }
  }

  /** Fills a file of a volume at rest with bytes here and there, and keeps a copy of it as it is then. */
  async function filled(path: string): Promise<string> {
    const file = await open(path, 'r+')
    for (const at of [0, 100, 517, 1000]) await file.write(randomBytes(8 * MIB), 0, 8 * MIB, at * MIB)
    await file.sync()
    await file.close()
    const copy = join(await mkdtemp(join(mount.path, 'kept-')), 'raw')
    await run('cp', ['--reflink=always', path, copy])
    return copy
  }
})
