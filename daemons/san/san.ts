import { randomUUID } from 'node:crypto'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { wireServer } from '@moorage/wire'
import type { Logger } from 'pino'
import { Counters } from './engine/counters.ts'
import { Engine } from './engine/engine.ts'
import { mountPool, unmountPool } from './engine/pool-file.ts'
import { PoolFiles } from './engine/pool-files.ts'
import type { San } from './facets/context.ts'
import { desired, forgetWithdrawn, recover } from './facets/desired.ts'
import { Gate, KeyedLocks } from './gate.ts'
import { methods, packageVersion } from './methods.ts'
import type { SanOptions } from './options.ts'
import { QosKeeper } from './qos-keeper.ts'
import { Access } from './state/access.ts'
import { CounterRows } from './state/counters.ts'
import { Database } from './state/database.ts'
import { Objects } from './state/objects.ts'
import { startUpkeep } from './upkeep.ts'

/** A SAN that serves. */
export interface RunningSan {
  readonly url: string
  /** Ends everything that serves, unmounts the pool; data and state stay. */
  stop(): Promise<void>
}

/**
 * Starts a SAN, or takes over what one that was killed has left running. Throws with nothing started when the address is
 * taken, the directory is in use, or the machine cannot do what it needs.
 */
export async function startSan(options: SanOptions, log: Logger): Promise<RunningSan> {
  const { data, pool } = options
  await mkdir(data, { recursive: true, mode: 0o700 })
  const database = openDatabase(data)
  // One that was killed left it behind; nobody is to take its word for ours.
  await rm(join(data, 'ready.json'), { force: true })
  const san = assemble(options, database, log)
  const server = wireServer({
    methods: methods(san, { pool, version: packageVersion() }),
    user: options.user,
    password: options.password,
    onCall: ({ failure, ...entry }) =>
      log.info({ ...entry, ...(failure && { code: failure.code, reason: failure.message }) }),
    onBug: (error) => log.error({ err: error }, 'bug'),
  })
  try {
    // The address first: until everything is up, calls wait or are told that it is not.
    await server.listen(options.listen)
    await bringUp(san, options, log)
  } catch (error) {
    await server.close()
    database.close()
    throw error
  }
  const keeper = new QosKeeper({ capacity: san.iops, counters: san.counters, throttles: san.engine.throttles })
  const upkeep = startUpkeep(san, keeper)
  const url = urlOf(server.server.address())
  san.serving.open()
  await announce(data, { pid: process.pid, url, portal: options.portal, reflink: true })
  const stop = async () => {
    await rm(join(data, 'ready.json'), { force: true })
    await server.close()
    await san.serving.close()
    await upkeep.stop()
    await san.engine.stop()
    await unmountPool(san.files.root)
    database.close()
  }
  return { url, stop }
}

/** Mounts and starts; when something fails, what was mounted here is unmounted again. */
async function bringUp(san: San, { data, poolBytes }: SanOptions, log: Logger): Promise<void> {
  const mounted = await mountPool({ image: join(data, 'pool.img'), mountPoint: san.files.root, bytes: poolBytes })
  try {
    await recover(san)
    await san.engine.start()
  } catch (error) {
    const unmounting = mounted === 'mounted' ? unmountPool(san.files.root) : Promise.resolve()
    await unmounting.catch((failure: unknown) => log.warn({ err: failure }, 'the pool stays mounted'))
    throw error
  }
}

function openDatabase(data: string): Database {
  try {
    return new Database(join(data, 'state.db'))
  } catch (error) {
    const locked = error instanceof Error && /locked/.test(error.message)
    throw locked ? new Error(`another SAN is using ${data}`, { cause: error }) : error
  }
}

function assemble(options: SanOptions, database: Database, log: Logger): San {
  const { data, portal, iops } = options
  const objects = new Objects(database)
  const access = new Access(database)
  const files = new PoolFiles(join(data, 'pool'))
  const counters = new Counters(new CounterRows(database))
  const exports = join(data, 'fuse')
  const engine = new Engine({
    tgtdSocket: join(data, 'tgtd'),
    tgtdLog: join(data, 'tgtd.log'),
    qsdSocket: join(data, 'qsd'),
    qsdLog: join(data, 'qsd.log'),
    exports,
    fuseControl: join(data, 'fusectl'),
    portal,
    counters,
    log,
    desired: () => desired({ objects, access, files }),
    repaired: () => forgetWithdrawn({ access }),
  })
  const identity = identityOf(database)
  const locks = new KeyedLocks()
  const state = { database, objects, access, files, counters }
  return { identity, serving: new Gate(), iops, portal, exports, ...state, engine, locks, log }
}

function identityOf(database: Database): string {
  const known = database.one<{ value: string }>("SELECT value FROM meta WHERE key = 'identity'")
  if (known) return known.value
  const identity = randomUUID()
  database.run("INSERT INTO meta VALUES ('identity', ?)", identity)
  return identity
}

function urlOf(address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP address')
  return `http://${address.address}:${address.port}`
}

/** Tells whoever waits for it that the SAN serves, and where. Renamed into place, so that it is never half written. */
async function announce(data: string, facts: object): Promise<void> {
  const draft = join(data, 'ready.json.new')
  await writeFile(draft, `${JSON.stringify(facts)}\n`, { mode: 0o600 })
  await rename(draft, join(data, 'ready.json'))
}
