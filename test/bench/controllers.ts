import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Api, text } from '../../lab/api.ts'
import { type Ground, groundFor } from '../crash/lives.ts'
import { failingOver, severalControllers, type SeveralControllers } from '../support/controllers.ts'
import { simulatorMethods } from '../support/simulator.ts'
import { type Bench, type BenchRow, median } from './report.ts'

const CONTROLLERS = [1, 2, 4] as const
const SECONDS = 10
const CLIENTS = 32
/** More than four controllers run at once of what is no attachment: three quarters of 64 each. */
const SLOW_CLIENTS = 256
/** So long that one controller does no more than 9.6 a second, whatever else it is: far from what the processors can do. */
const SLOW_MS = 5_000
const SLOW_WINDOW_MS = 25_000
const SLOW_WINDOWS = 3
/** How often the array looks whose time has come. */
const LOOK_MS = 100
const GOAL = 1.7
const SLOW = `each call takes ${SLOW_MS / 1000} s`

/** Operations per second of one, two and four controllers on one database, where they are the limit and where they are not. */
export const controllers: Bench = {
  name: 'controllers',
  about: 'operations per second of several controllers on one database and one simulator',
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
      ...rowsOf(
        SLOW,
        slow,
        `snapshots by ${SLOW_CLIENTS} clients; ${SLOW_WINDOWS} x ${SLOW_WINDOW_MS / 1000} s, median`,
      ),
      ...rowsOf(
        'the processors are the limit',
        quick,
        `create, attach, detach, delete by ${CLIENTS} clients; ${SECONDS} s`,
      ),
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
    ...(what === SLOW && CONTROLLERS[at] === 2 ? { goal: `>= x${GOAL.toFixed(2)}` } : {}),
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

/** Every call of the array's that takes or deletes a snapshot takes its time. The median of several windows. */
async function slowly(several: SeveralControllers, ground: Ground): Promise<number> {
  const apis = several.all.map(({ api }) => api)
  const volumes = await detachedVolumes(apis, ground)
  const send = simulatorMethods(several.home)
  for (const method of ['array/snapshots/create', 'array/snapshots/delete']) {
    await send('faults/arm', { method, kind: 'hold-before', count: 1_000_000 })
  }
  const over = new AbortController()
  let done = 0
  const clients = volumes.map(async (volumeid, client) => {
    const api = failingOver(apis, client)
    while (!over.signal.aborted) {
      const id = text(await api.run('createSnapshot', { volumeid, locationtype: 'primary' }), 'id')
      done += 1
      await api.run('deleteSnapshot', { id })
      done += 1
    }
  })
  const array = answerLate(send, over.signal)
  try {
    // By then as many end as begin.
    while (done < SLOW_CLIENTS / 2) await pause(LOOK_MS)
    const rates: number[] = []
    for (let window = 0; window < SLOW_WINDOWS; window += 1) {
      const [before, began] = [done, performance.now()]
      await pause(SLOW_WINDOW_MS)
      rates.push(((done - before) * 1000) / (performance.now() - began))
    }
    return median(rates)
  } finally {
    over.abort()
    await array
    await send('faults/clear', {})
    await Promise.all(clients)
  }
}

/** Lets each held call go once it has been held for so long. */
async function answerLate(send: ReturnType<typeof simulatorMethods>, over: AbortSignal): Promise<void> {
  const since = new Map<string, number>()
  while (!over.aborted) {
    const { held } = await send<{ readonly held: readonly { readonly id: string }[] }>('faults/list', {})
    for (const { id } of held) since.set(id, since.get(id) ?? performance.now())
    const due = [...since].filter(([, from]) => performance.now() - from >= SLOW_MS)
    for (const [id] of due) since.delete(id)
    await Promise.all(due.map(([id]) => send('faults/release', { held: id })))
    await pause(LOOK_MS)
  }
}

/** A volume on the array for each of the slow clients. */
async function detachedVolumes(apis: readonly Api[], ground: Ground): Promise<readonly string[]> {
  const volumes: string[] = []
  const make = async (client: number) => {
    for (let at = client; at < SLOW_CLIENTS; at += CLIENTS) {
      const api = failingOver(apis, client)
      const asked = { name: 'bench', zoneid: ground.zone, diskofferingid: ground.offering, size: 1 }
      const virtualmachineid = ground.vms[client % ground.vms.length]
      const id = text(await api.run('createVolume', { ...asked, virtualmachineid }), 'id')
      await api.run('detachVolume', { id })
      volumes.push(id)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, client) => make(client)))
  return volumes
}

async function attached(api: Api, ground: Ground, client: number): Promise<string> {
  const asked = { name: 'bench', zoneid: ground.zone, diskofferingid: ground.offering, size: 1 }
  const id = text(await api.run('createVolume', asked), 'id')
  await api.run('attachVolume', { id, virtualmachineid: ground.vms[client % ground.vms.length] })
  return id
}
