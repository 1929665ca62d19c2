import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startController } from '../../lab/stack.ts'
import { runningDaemon, until } from '../../lab/process.ts'
import { text } from '../../lab/api.ts'
import { findings } from '../support/census.ts'
import { random } from '../support/random.ts'
import { realLab, type RealLab } from '../support/real-lab.ts'
import { SILENT } from '../../lab/terminal.ts'
import { type Outcome, runLives } from './lives.ts'

const LIVES = 40
const KILLS = 20

/** As on the simulator, on real parts: iSCSI targets, throttles and QEMU disks are what must not be left over. */
describe('a controller killed 20 times under volume lives on the real SAN and QEMU', () => {
  let lab: RealLab
  let outcome: Outcome
  let kills = 0
  const seed = Number(process.env['MOORAGE_SEED'] ?? Date.now() % 1_000_000)

  beforeAll(async () => {
    lab = await realLab('guestless')
    const offering = await lab.api.run('createDiskOffering', {
      name: 'life',
      displaytext: 'for lives that are killed',
      customized: true,
      miniops: 50,
      maxiops: 500,
    })
    const ground = { zone: lab.cloud.zone, offering: text(offering, 'id'), vms: [lab.cloud.vm] }
    const next = random(seed)
    let outcomes: Outcome[] = []
    while (kills < KILLS) {
      let over = false
      const lives = runLives(lab.api, ground, LIVES / 4).finally(() => {
        over = true
      })
      while (kills < KILLS && !over) {
        await pause(150 + next() * 700)
        if (over) break
        await killController(lab)
        kills += 1
        await startController(lab.at, SILENT)
      }
      outcomes = [...outcomes, await lives]
    }
    outcome = {
      jobs: outcomes.flatMap((one) => one.jobs),
      completed: outcomes.reduce((sum, one) => sum + one.completed, 0),
      failures: outcomes.flatMap((one) => one.failures),
    }
  }, 600_000)

  afterAll(() => lab.stop(), 120_000)

  it(`was killed ${KILLS} times while they ran (seed ${seed})`, () => {
    expect(kills).toBe(KILLS)
  })

  it('brought every life to its end', () => {
    expect(outcome.failures).toEqual([])
    expect(outcome.completed).toBeGreaterThanOrEqual(LIVES / 4)
  })

  it('answers every job id that it ever gave, with an end', async () => {
    const states = new Set<unknown>()
    for (const job of outcome.jobs) states.add((await lab.api.raw('queryAsyncJobResult', { jobid: job }))['jobstatus'])
    expect([...states].filter((state) => state !== 1 && state !== 2)).toEqual([])
  })

  it('has no operation that still runs or waits', async () => {
    expect(await lab.api.list('listOperations', { state: 'open' })).toEqual([])
  })

  it('left nothing over on SAN, host or database: the census is empty', async () => {
    expect(await findings(lab.api)).toEqual([])
  })
})

async function killController(lab: RealLab): Promise<void> {
  const running = runningDaemon(lab.at.controller)
  if (!running) return
  process.kill(running.pid, 'SIGKILL')
  await until(async () => (runningDaemon(lab.at.controller) ? undefined : true), {
    what: 'the controller to be gone',
    withinMs: 5_000,
  })
}
