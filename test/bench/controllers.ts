import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Api, text } from '../../lab/api.ts'
import { type Ground, groundFor } from '../crash/lives.ts'
import { failingOver, severalControllers, type SeveralControllers } from '../support/controllers.ts'
import { simulatorMethods } from '../support/simulator.ts'
import { type Bench, type BenchRow } from './report.ts'

const CONTROLLERS = [1, 2, 4] as const
const SECONDS = 10
const CLIENTS = 32
/** More than two controllers run at once of what is no attachment: three quarters of 64 each. */
const SLOW_CLIENTS = 160
/** How often the array answers what it holds: a call takes half of it in the mean. */
const SLOW_MS = 1_500
const GOAL = 1.7

/** Operations per second of one, two and four controllers on one database, where they are the limit and where they are not. */
export const controllers: Bench = {
  name: 'controllers',
  about: `operations per second of several controllers on one database and one simulator, ${SECONDS} s each`,
  async run() {
    const slow: number[] = []
    const quick: number[] = []
    for (const count of CONTROLLERS) {
      const parent = mkdtempSync(join(tmpdir(), 'moorage-bench-'))
      const several = await severalControllers({ parent, count })
      try {
        const apis = several.all.map(({ api }) => api)
        const ground = await groundFor(failingOver(apis, 0), CLIENTS)
        quick.push(await quickly(apis, ground))
        slow.push(await slowly(several, ground))
      } finally {
        await several.stop()
        rmSync(parent, { recursive: true, force: true })
      }
    }
    return [
      ...rowsOf('the array takes its time', slow, `snapshots taken and deleted by ${SLOW_CLIENTS} clients`),
      ...rowsOf('the processors are the limit', quick, `create, attach, detach, delete by ${CLIENTS} clients`),
    ]
  },
}

function rowsOf(what: string, rates: readonly number[], note: string): readonly BenchRow[] {
  const [one = Number.NaN] = rates
  return rates.map((value, at) => ({
    bench: 'controllers',
    case: `${CONTROLLERS[at]} controllers, ${what}`,
    value,
    unit: 'operations/s',
    ratio: value / one,
    ...(what.startsWith('the array') && CONTROLLERS[at] === 2 ? { goal: `>= x${GOAL.toFixed(2)}` } : {}),
    note,
  }))
}

/** Runs `work`, which counts what it did, by many clients for a while. Answers how much was done in a second. */
async function rate(clients: number, work: (client: number, until: number) => Promise<number>): Promise<number> {
  const began = performance.now()
  const until = began + SECONDS * 1000
  const done = await Promise.all(Array.from({ length: clients }, (_, client) => work(client, until)))
  return (done.reduce((sum, one) => sum + one, 0) * 1000) / (performance.now() - began)
}

function quickly(apis: readonly Api[], ground: Ground): Promise<number> {
  return rate(CLIENTS, async (client, until) => {
    const api = failingOver(apis, client)
    let done = 0
    while (performance.now() < until) {
      const id = await attached(api, ground, client)
      await api.run('detachVolume', { id })
      await api.run('destroyVolume', { id, expunge: true })
      done += 4
    }
    return done
  })
}

/** Every call of the array's that takes or deletes a snapshot waits until all that wait are let go. */
async function slowly(several: SeveralControllers, ground: Ground): Promise<number> {
  const apis = several.all.map(({ api }) => api)
  const volumes: string[] = []
  const make = async (client: number) => {
    for (let at = client; at < SLOW_CLIENTS; at += CLIENTS) {
      const api = failingOver(apis, client)
      const id = await attached(api, ground, client)
      await api.run('detachVolume', { id })
      volumes.push(id)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, client) => make(client)))
  const send = simulatorMethods(several.home)
  for (const method of ['array/snapshots/create', 'array/snapshots/delete']) {
    await send('faults/arm', { method, kind: 'hold-before', count: 1_000_000 })
  }
  const letGo = setInterval(() => void send('faults/release', {}).catch(() => {}), SLOW_MS)
  try {
    return await rate(SLOW_CLIENTS, async (client, until) => {
      const api = failingOver(apis, client)
      let done = 0
      while (performance.now() < until) {
        const asked = { volumeid: volumes[client], locationtype: 'primary' }
        const id = text(await api.run('createSnapshot', asked), 'id')
        await api.run('deleteSnapshot', { id })
        done += 2
      }
      return done
    })
  } finally {
    clearInterval(letGo)
    await send('faults/clear', {})
  }
}

async function attached(api: Api, ground: Ground, client: number): Promise<string> {
  const asked = { name: 'bench', zoneid: ground.zone, diskofferingid: ground.offering, size: 1 }
  const id = text(await api.run('createVolume', asked), 'id')
  await api.run('attachVolume', { id, virtualmachineid: ground.vms[client % ground.vms.length] })
  return id
}
