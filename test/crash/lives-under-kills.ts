import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Api, type Entity, text } from '../../lab/api.ts'
import { findings } from '../support/census.ts'
import { failingOver, severalControllers, type SeveralControllers } from '../support/controllers.ts'
import { random } from '../support/random.ts'
import { groundFor, runLivesOf } from './lives.ts'

/** How many of what. `kills` are spread at random over the time that the lives take. */
export interface Trial {
  readonly lives: number
  readonly clients: number
  readonly controllers: number
  readonly kills: number
  /** Of every transaction of the controllers. */
  readonly isolation: 'read committed' | 'serializable'
  readonly seed: number
}

/** What is true once the lives are over. All but the figures must be empty. */
export interface Verdict {
  readonly completed: number
  readonly kills: number
  readonly seconds: number
  readonly jobs: number
  readonly takeovers: number
  readonly failures: readonly string[]
  /** Job ids that were given and have no end. */
  readonly lost: readonly string[]
  readonly open: readonly Entity[]
  /** Volumes and snapshots that are still listed, with the operations about them; `heard`: a client was given its id. */
  readonly left: readonly Entity[]
  readonly findings: readonly Entity[]
}

const VMS = 12
const FIRST_KILL_MS = 1_000
const AT_ONCE = 16

/** Runs volume lives by several clients against several controllers, each of which is killed now and then. */
export async function livesUnderKills(trial: Trial): Promise<Verdict> {
  const parent = mkdtempSync(join(tmpdir(), 'moorage-lives-'))
  const env = trial.isolation === 'serializable' ? { MOORAGE_TEST_ISOLATION: 'serializable' } : {}
  const several = await severalControllers({ parent, count: trial.controllers, env })
  try {
    return await play(several, trial)
  } finally {
    await several.stop()
    rmSync(parent, { recursive: true, force: true })
  }
}

async function play(several: SeveralControllers, trial: Trial): Promise<Verdict> {
  const apis = several.all.map(({ api }) => api)
  const ground = await groundFor(failingOver(apis, 0), VMS)
  const clients = Array.from({ length: trial.clients }, (_, at) => failingOver(apis, at))
  const began = performance.now()
  const over = new AbortController()
  const living = runLivesOf(clients, ground, { count: trial.lives }).finally(() => over.abort())
  const kills = await harass(several, trial, over.signal)
  const outcome = await living
  const seconds = (performance.now() - began) / 1000
  const [api] = apis
  if (!api) throw new Error('there is no controller')
  return {
    completed: outcome.completed,
    kills,
    seconds,
    jobs: outcome.jobs.length,
    lost: await lostOf(api, outcome.jobs),
    failures: outcome.failures,
    takeovers: await takeoversOf(api),
    open: await api.list('listOperations', { state: 'open', listall: true }),
    left: await leftOver(api, new Set(outcome.jobs)),
    findings: await findings(api),
  }
}

/** Those of the jobs that have no end. */
async function lostOf(api: Api, jobs: readonly string[]): Promise<readonly string[]> {
  const lost: string[] = []
  for (let at = 0; at < jobs.length; at += AT_ONCE) {
    const some = jobs.slice(at, at + AT_ONCE).map(async (jobid) => {
      const { jobstatus } = await api.raw('queryAsyncJobResult', { jobid })
      if (jobstatus !== 1 && jobstatus !== 2) lost.push(jobid)
    })
    await Promise.all(some)
  }
  return lost
}

async function leftOver(api: Api, jobs: ReadonlySet<string>): Promise<readonly Entity[]> {
  const left = [
    ...(await api.list('listVolumes', { listall: true, type: 'DATADISK' })),
    ...(await api.list('listSnapshots', { listall: true })),
  ]
  const history = left.map(async (entity) => {
    const operations = await api.list('listOperations', { listall: true, subjectid: text(entity, 'id') })
    return { ...entity, operations: operations.map((one) => ({ ...one, heard: jobs.has(text(one, 'id')) })) }
  })
  return await Promise.all(history)
}

const PAGE = 500

/** How often operations were taken over, all together. */
async function takeoversOf(api: Api): Promise<number> {
  for (let [page, sum] = [1, 0]; ; page += 1) {
    const some = await api.list('listOperations', { listall: true, page, pagesize: PAGE })
    sum += some.reduce((count, one) => count + Number(one['takeovers'] ?? 0), 0)
    if (some.length < PAGE) return sum
  }
}

/** Kills a controller and starts it again until that was done `kills` times; the others go on in the meantime. */
async function harass(several: SeveralControllers, trial: Trial, over: AbortSignal): Promise<number> {
  const next = random(trial.seed)
  let kills = 0
  while (kills < trial.kills && !over.aborted) {
    await pause(FIRST_KILL_MS * (0.2 + next()))
    if (over.aborted) break
    const victim = several.all[Math.floor(next() * several.all.length)]
    if (!victim) throw new Error('there is no controller to kill')
    await victim.kill()
    kills += 1
    await victim.start()
  }
  return kills
}
