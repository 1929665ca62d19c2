import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { ApiError, type Api, type Entity, type Params, text } from '../../lab/api.ts'

/** What one life needs of the zone it runs in. */
export interface Ground {
  readonly zone: string
  readonly offering: string
  readonly vms: readonly string[]
}

/** What came of the lives: every job id that was ever given, and each life that did not end as it should. */
export interface Outcome {
  readonly jobs: readonly string[]
  readonly completed: number
  readonly failures: readonly string[]
}

const RETRY_MS = 25
const LIFE_MS = 240_000

/**
 * Runs `count` volume lives at once: create, attach, snapshot, detach, revert, resize, delete the snapshot, delete. The
 * controller may be killed under them: a lost answer is settled by asking what is there, as a careful client would.
 */
export function runLives(api: Api, ground: Ground, count: number): Promise<Outcome> {
  const clients = Array.from({ length: count }, () => api)
  return runLivesOf(clients, ground, { count })
}

/** As `runLives`, by clients each of which lives one life at a time, until there were `count` of all together. */
export async function runLivesOf(
  clients: readonly Api[],
  ground: Ground,
  { count }: { readonly count: number },
): Promise<Outcome> {
  const jobs: string[] = []
  const failures: string[] = []
  let [begun, completed] = [0, 0]
  const work = async (api: Api) => {
    while (begun < count) {
      const index = begun
      begun += 1
      try {
        await life({ api, jobs, until: Date.now() + LIFE_MS }, ground, index)
        completed += 1
      } catch (error) {
        failures.push(`life ${index}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }
  await Promise.all(clients.map(work))
  return { jobs, completed, failures }
}

/** A zone's ground for lives: an offering and `vms` machines of their own. */
export async function groundFor(api: Api, vms: number): Promise<Ground> {
  const zone = text((await api.list('listZones'))[0] ?? {}, 'id')
  const service = text((await api.list('listServiceOfferings'))[0] ?? {}, 'id')
  const templateid = text((await api.list('listTemplates', { templatefilter: 'all' }))[0] ?? {}, 'id')
  const terms = { displaytext: 'for lives that are killed', customized: true, miniops: 50, maxiops: 1000 }
  const offering = text(await api.run('createDiskOffering', { name: 'life', ...terms }), 'id')
  const made: string[] = []
  for (let index = 0; index < vms; index += 1) {
    const machine = { zoneid: zone, serviceofferingid: service, templateid, name: `crash-${index}` }
    made.push(text(await api.run('deployVirtualMachine', machine), 'id'))
  }
  return { zone, offering, vms: made }
}

interface Client {
  readonly api: Api
  readonly jobs: string[]
  readonly until: number
}

async function life(client: Client, ground: Ground, index: number): Promise<void> {
  const id = randomUUID()
  const virtualmachineid = ground.vms[index % ground.vms.length] ?? ''
  const volume = () => find(client, 'listVolumes', { id })
  const create = { name: `life-${index}`, zoneid: ground.zone, diskofferingid: ground.offering, size: 1, customid: id }
  await reach(client, { command: 'createVolume', params: create, happened: async () => (await volume()) !== undefined })
  const attach = { id, virtualmachineid }
  await reach(client, { command: 'attachVolume', params: attach, happened: () => attached(client, id) })
  // A name of the client's: asked again, also by a request that is heard late, there is one snapshot.
  const snapshot = randomUUID()
  const taken = () => find(client, 'listSnapshots', { id: snapshot })
  const take = { volumeid: id, locationtype: 'primary', customid: snapshot }
  await reach(client, { command: 'createSnapshot', params: take, happened: async () => (await taken()) !== undefined })
  await reach(client, { command: 'detachVolume', params: { id }, happened: async () => !(await attached(client, id)) })
  await reach(client, { command: 'revertSnapshot', params: { id: snapshot } })
  const grown = async () => (await volume())?.['size'] === 2 * 1024 ** 3
  await reach(client, { command: 'resizeVolume', params: { id, size: 2 }, happened: grown })
  const gone = async () => (await taken()) === undefined
  await reach(client, { command: 'deleteSnapshot', params: { id: snapshot }, happened: gone })
  const destroy = { id, expunge: true }
  await reach(client, {
    command: 'destroyVolume',
    params: destroy,
    happened: async () => (await volume()) === undefined,
  })
}

/** A command, and how to see whether what it is for has happened. `happened` absent: it may be repeated without harm. */
interface Wish {
  readonly command: string
  readonly params: Params
  readonly happened?: () => Promise<boolean>
}

/**
 * Brings about what a command is for: sends it; when the answer was lost, looks whether it happened all the same, and
 * sends it again if not.
 */
async function reach(client: Client, wish: Wish): Promise<void> {
  const { command, params, happened } = wish
  for (;;) {
    try {
      const { job } = await client.api.submit(command, params)
      client.jobs.push(job)
      await jobEnds(client, job)
      return
    } catch (error) {
      if (Date.now() > client.until) throw new Error(`${command} did not come about`, { cause: error })
      const lost = isLost(error)
      if (happened && (await happened())) return
      if (!lost)
        throw new Error(`${command}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      await pause(RETRY_MS)
    }
  }
}

/** Waits for a job across restarts: a job id once given answers after any crash. */
async function jobEnds(client: Client, job: string): Promise<void> {
  for (;;) {
    try {
      await client.api.job(job)
      return
    } catch (error) {
      if (!isLost(error) || Date.now() > client.until) throw error
      await pause(RETRY_MS)
    }
  }
}

/** No answer, or one that says that the database did not answer. */
function isLost(error: unknown): boolean {
  return !(error instanceof ApiError) || error.code === 503
}

async function attached(client: Client, id: string): Promise<boolean> {
  return (await find(client, 'listVolumes', { id }))?.['virtualmachineid'] !== undefined
}

async function find(client: Client, command: string, params: Params): Promise<Entity | undefined> {
  for (;;) {
    try {
      return (await client.api.list(command, params))[0]
    } catch (error) {
      // An id that was never there is refused as CloudStack refuses it.
      if (error instanceof ApiError && error.code === 431) return undefined
      if (!isLost(error) || Date.now() > client.until) throw error
      await pause(RETRY_MS)
    }
  }
}
