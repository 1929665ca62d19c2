import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ApiError, type Api, type Entity, text } from '../../lab/api.ts'
import { findings } from '../support/census.ts'
import { failingOver, severalControllers, type SeveralControllers } from '../support/controllers.ts'
import { random } from '../support/random.ts'
import { simulatorMethods } from '../support/simulator.ts'

/** What a pool runs out of. */
export const SHORTAGES = ['iops', 'bytes', 'slots'] as const
/** A name in `SHORTAGES`. */
export type Shortage = (typeof SHORTAGES)[number]

/** How many of what. `room`: how many volumes fit. `kills` are spread at random over each storm. */
export interface Storm {
  readonly attaches: number
  readonly room: number
  readonly controllers: number
  readonly kills: number
  readonly seed: number
}

/** What came of one storm. */
export interface Aftermath {
  readonly shortage: Shortage
  readonly seconds: number
  readonly kills: number
  readonly succeeded: number
  /** Texts with which attaches were refused, each once, numbers and all. */
  readonly refusals: readonly string[]
  /** Refusals that do not name needed, available and limit; attaches that ended in another way. */
  readonly odd: readonly string[]
  /** As `listStoragePools` shows it, and what it must be by the volumes that are Ready, and by what is on the array. */
  readonly ledger: Sums
  readonly records: Sums
  readonly array: Pick<Sums, 'volumes' | 'bytes'>
  /** The ledger once everything was detached and expunged. */
  readonly after: Sums
  readonly findings: readonly Entity[]
}

/** Volumes, bytes and IOPS of a pool. */
export interface Sums {
  readonly volumes: number
  readonly bytes: number
  readonly iops: number
}

const GIB = 1024 ** 3
const MIN_IOPS = 100
const CLIENTS = 24
const DISKS_PER_VM = 12
/** Of so many VMs one runs: the others get their disks at their start. */
const RUNS = 8
const RETRY_MS = 50
const STORM_MS = 500_000

/** Has many volumes attached at once to a pool with room for few, for each shortage in turn, on one installation. */
export async function attachStorm(
  storm: Storm,
  shortages: readonly Shortage[] = SHORTAGES,
): Promise<readonly Aftermath[]> {
  const parent = mkdtempSync(join(tmpdir(), 'moorage-storm-'))
  const several = await severalControllers({ parent, count: storm.controllers })
  try {
    const ground = await groundOf(several, storm)
    const all: Aftermath[] = []
    for (const [nth, shortage] of shortages.entries())
      all.push(await blow(several, ground, { ...storm, shortage, seed: storm.seed + nth }))
    return all
  } finally {
    await several.stop()
    rmSync(parent, { recursive: true, force: true })
  }
}

interface Ground {
  readonly zone: string
  readonly pool: string
  readonly guaranteed: string
  readonly plain: string
  readonly vms: readonly string[]
  readonly inventory: () => Promise<Pick<Sums, 'volumes' | 'bytes'>>
}

async function groundOf(several: SeveralControllers, storm: Storm): Promise<Ground> {
  const api = clientOf(several, 0)
  const first = async (command: string, params = {}) => text((await api.list(command, params))[0] ?? {}, 'id')
  const zone = await first('listZones')
  const pool = await first('listStoragePools', { name: 'array-1' })
  await api.run('updateStoragePool', { id: await first('listStoragePools', { name: 'array-2' }), enabled: false })
  const offering = async (name: string, more: object) =>
    text(await api.run('createDiskOffering', { name, displaytext: name, disksize: 1, ...more }), 'id')
  const from = { zoneid: zone, serviceofferingid: await first('listServiceOfferings') }
  const templateid = await first('listTemplates', { templatefilter: 'all' })
  const vms: string[] = []
  for (let at = 0; at * DISKS_PER_VM < storm.attaches; at += 1) {
    const machine = { ...from, templateid, name: `storm-${at}`, startvm: at % RUNS === 0 }
    vms.push(text(await api.run('deployVirtualMachine', machine), 'id'))
  }
  const send = simulatorMethods(several.home)
  return {
    zone,
    pool,
    vms,
    guaranteed: await offering('guaranteed', { miniops: MIN_IOPS }),
    plain: await offering('plain of the storm', {}),
    inventory: () => onArray(send),
  }
}

/** What is on the array, as it tells a stranger: all of it. */
async function onArray(send: ReturnType<typeof simulatorMethods>): Promise<Pick<Sums, 'volumes' | 'bytes'>> {
  let [volumes, bytes] = [0, 0]
  let cursor: string | undefined
  do {
    const page = await send<{ readonly items: readonly { kind: string; bytes: number }[]; readonly next?: string }>(
      'array/inventory/list',
      { array: 'array-1', owner: 'nobody', ...(cursor === undefined ? {} : { cursor }) },
    )
    for (const item of page.items.filter(({ kind }) => kind === 'volume')) {
      volumes += 1
      bytes += item.bytes
    }
    cursor = page.next
  } while (cursor !== undefined)
  return { volumes, bytes }
}

/** Room in the pool for so many volumes, and in everything else for all. */
function capsFor(shortage: Shortage, room: number) {
  const plenty = { capacityiops: 50_000_000, capacitybytes: 1024 * GIB, capacityvolumes: 1_000_000 }
  if (shortage === 'iops') return { ...plenty, capacityiops: room * MIN_IOPS }
  return shortage === 'bytes' ? { ...plenty, capacitybytes: room * GIB } : { ...plenty, capacityvolumes: room }
}

async function blow(
  several: SeveralControllers,
  ground: Ground,
  storm: Storm & { readonly shortage: Shortage },
): Promise<Aftermath> {
  const { shortage, attaches, room } = storm
  const api = clientOf(several, 0)
  await api.run('updateStoragePool', { id: ground.pool, ...capsFor(shortage, room) })
  const diskofferingid = shortage === 'iops' ? ground.guaranteed : ground.plain
  const volumes = await inTurns(several, Array.from({ length: attaches }), async (client, _, nth) =>
    text(await client.run('createVolume', { name: `${shortage}-${nth}`, zoneid: ground.zone, diskofferingid }), 'id'),
  )
  const began = performance.now()
  const over = new AbortController()
  const progress = new Progress()
  const kills = harass(several, { storm, progress, over: over.signal })
  const ends = await inTurns(several, volumes, async (client, id, nth) => {
    const virtualmachineid = ground.vms[Math.floor(nth / DISKS_PER_VM)] ?? ''
    return await submitted(client, { id, virtualmachineid }).finally(() => progress.step())
  })
    .then((jobs) => inTurns(several, jobs, (client, job) => ended(client, job).finally(() => progress.step())))
    .finally(() => over.abort())
  const killed = await kills
  const seconds = (performance.now() - began) / 1000
  const refused = ends.filter((end) => end !== undefined)
  const looks = await lookAround(several, ground)
  return {
    shortage,
    seconds,
    kills: killed,
    succeeded: ends.length - refused.length,
    refusals: [...new Set(refused)],
    odd: refused.filter((told) => !EXPLAINED[shortage].test(told)),
    ...looks,
    findings: await findings(api),
    after: await clean(several, ground, volumes),
  }
}

/** Needed, available and limit, of what is short. */
const EXPLAINED: Readonly<Record<Shortage, RegExp>> = {
  iops: /^No storage pool .*: 100 IOPS needed, at most \d+ of \d+ IOPS available/,
  bytes: /^No storage pool .*: 1 GiB needed, at most \S+ \S+ of \d+ GiB available/,
  slots: /^No storage pool .*: 1 needed, at most 0 of \d+ available/,
}

async function lookAround(
  several: SeveralControllers,
  ground: Ground,
): Promise<Pick<Aftermath, 'ledger' | 'records' | 'array'>> {
  const api = clientOf(several, 0)
  const ready = (await api.list('listVolumes', { listall: true, type: 'DATADISK', pagesize: -1 })).filter(
    ({ state }) => state === 'Ready',
  )
  const iops = ready.reduce((sum, { miniops }) => sum + Number(miniops ?? 0), 0)
  return {
    ledger: await ledgerOf(api, ground.pool),
    records: { volumes: ready.length, bytes: ready.reduce((sum, { size }) => sum + Number(size), 0), iops },
    array: await ground.inventory(),
  }
}

async function ledgerOf(api: Api, id: string): Promise<Sums> {
  const [pool] = await api.list('listStoragePools', { id })
  const { volumes, disksizeallocated: bytes, allocatediops: iops } = pool ?? {}
  return { volumes: Number(volumes), bytes: Number(bytes), iops: Number(iops) }
}

async function clean(several: SeveralControllers, ground: Ground, volumes: readonly string[]): Promise<Sums> {
  await inTurns(several, volumes, async (client, id) => {
    const [volume] = await client.list('listVolumes', { id })
    if (volume?.['virtualmachineid'] !== undefined) await client.run('detachVolume', { id })
    await client.run('destroyVolume', { id, expunge: true })
  })
  return await ledgerOf(clientOf(several, 0), ground.pool)
}

function clientOf(several: SeveralControllers, at: number): Api {
  return failingOver(
    several.all.map(({ api }) => api),
    at,
  )
}

/** Works on all items, by as many clients as there are, each with one at a time. Answers in the order of the items. */
async function inTurns<Item, Result>(
  several: SeveralControllers,
  items: readonly Item[],
  work: (client: Api, item: Item, nth: number) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = []
  const left = items.entries()
  const client = async (_: unknown, at: number) => {
    const api = clientOf(several, at)
    for (const [nth, item] of left) results[nth] = await work(api, item, nth)
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  return results
}

/** Submits an attach and answers its job; where the answer was lost, that of the operation there is, or of another attempt. */
async function submitted(
  client: Api,
  params: { readonly id: string; readonly virtualmachineid: string },
): Promise<string> {
  return await persist(async (again) => {
    const known = again
      ? await client.list('listOperations', { subjectid: params.id, forcommand: 'attachVolume', listall: true })
      : []
    const [operation] = known
    return operation ? text(operation, 'id') : (await client.submit('attachVolume', params)).job
  })
}

/** Waits for a job; answers why it was refused, or nothing. */
async function ended(client: Api, job: string): Promise<string | undefined> {
  return await persist(async () => {
    try {
      await client.job(job)
      return undefined
    } catch (error) {
      if (error instanceof ApiError && error.code !== 503) return error.message
      throw error
    }
  })
}

async function persist<Result>(work: (again: boolean) => Promise<Result>): Promise<Result> {
  const until = Date.now() + STORM_MS
  for (let again = false; ; again = true) {
    try {
      return await work(again)
    } catch (error) {
      const lost = !(error instanceof ApiError) || error.code === 503
      if (!lost || Date.now() > until) throw error
      await pause(RETRY_MS)
    }
  }
}

/** Counts what a storm has come to: a step when an attach was taken, another when its end was told. */
class Progress {
  readonly #waiting: { readonly steps: number; readonly go: () => void }[] = []
  #steps = 0

  step(): void {
    this.#steps += 1
    for (const { steps, go } of this.#waiting) if (steps <= this.#steps) go()
  }

  /** Resolves once there were so many steps. */
  reached(steps: number): Promise<void> {
    return steps <= this.#steps ? Promise.resolve() : new Promise((go) => this.#waiting.push({ steps, go }))
  }
}

/** Most attaches are taken by then, and most of them under way: so many steps for each attach. */
const HARASSED = 1.5

/** Kills a controller and starts it again, at random points of the storm, however long that takes. */
async function harass(
  several: SeveralControllers,
  how: { readonly storm: Storm; readonly progress: Progress; readonly over: AbortSignal },
): Promise<number> {
  const { storm, progress, over } = how
  const next = random(storm.seed)
  let kills = 0
  while (kills < storm.kills) {
    await progress.reached(Math.floor(((kills + next()) / storm.kills) * storm.attaches * HARASSED))
    const victim = several.all[Math.floor(next() * several.all.length)]
    if (over.aborted || !victim) break
    await victim.kill()
    kills += 1
    await victim.start()
  }
  return kills
}
