import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stopDaemon } from '../../lab/process.ts'
import { text } from '../../lab/api.ts'
import { controllerProcess, type ControllerProcess } from '../support/controller.ts'
import { findings } from '../support/census.ts'
import { random } from '../support/random.ts'
import { type Ground, type Outcome, runLives } from './lives.ts'

const LIVES = 200
const KILLS = 30

/** The whole of it: 200 lives at once, 30 kills at random moments, and then nothing may be lost, stuck or left over. */
describe('a controller killed 30 times under 200 concurrent volume lives on the simulator', () => {
  let controller: ControllerProcess
  let outcome: Outcome
  let kills = 0
  const parent = mkdtempSync(join(tmpdir(), 'moorage-crash-'))
  const seed = Number(process.env['MOORAGE_SEED'] ?? Date.now() % 1_000_000)

  beforeAll(async () => {
    controller = await controllerProcess({ parent, args: ['--seed', 'simulator'] })
    const ground = await groundOf(controller)
    let over = false
    const lives = runLives(controller.api, ground, LIVES).finally(() => {
      over = true
    })
    const next = random(seed)
    while (kills < KILLS && !over) {
      await pause(200 + next() * 900)
      if (over) break
      await controller.kill()
      kills += 1
      await controller.start()
    }
    outcome = await lives
  }, 600_000)

  afterAll(async () => {
    await controller.stop()
    await stopDaemon(join(controller.dir, 'simulator'), 10_000)
    rmSync(parent, { recursive: true, force: true })
  }, 60_000)

  it(`was killed ${KILLS} times while they ran (seed ${seed})`, () => {
    expect(kills).toBe(KILLS)
  })

  it('brought every life to its end', () => {
    expect(outcome.failures).toEqual([])
    expect(outcome.completed).toBe(LIVES)
  })

  it('answers every job id that it ever gave, with an end', async () => {
    const states = new Set<unknown>()
    for (const job of outcome.jobs)
      states.add((await controller.api.raw('queryAsyncJobResult', { jobid: job }))['jobstatus'])
    expect([...states].filter((state) => state !== 1 && state !== 2)).toEqual([])
  })

  it('has no operation that still runs or waits', async () => {
    const open = await controller.api.list('listOperations', { state: 'open' })
    expect(open).toEqual([])
  })

  it('left nothing over: the census is empty', async () => {
    expect(await findings(controller.api)).toEqual([])
  })
})

async function groundOf(controller: ControllerProcess): Promise<Ground> {
  const { api } = controller
  const zone = text((await api.list('listZones'))[0] ?? {}, 'id')
  const service = text((await api.list('listServiceOfferings'))[0] ?? {}, 'id')
  const template = text((await api.list('listTemplates', { templatefilter: 'all' }))[0] ?? {}, 'id')
  const offering = text(
    await api.run('createDiskOffering', {
      name: 'life',
      displaytext: 'for lives that are killed',
      customized: true,
      miniops: 50,
      maxiops: 1000,
    }),
    'id',
  )
  const vms: string[] = []
  for (let index = 0; index < 12; index += 1) {
    const vm = await api.run('deployVirtualMachine', {
      zoneid: zone,
      serviceofferingid: service,
      templateid: template,
      name: `crash-${index}`,
    })
    vms.push(text(vm, 'id'))
  }
  return { zone, offering, vms }
}
