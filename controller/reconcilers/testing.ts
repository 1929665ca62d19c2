import { randomUUID } from 'node:crypto'
import type { Call, VmId } from '@moorage/contract'
import { sql } from 'kysely'
import { type Ground, makeGround, startController, type TestController } from '../testing.ts'
import { type Answered, type Asked, textOf } from '../testing-client.ts'
import type { ReconcilerLog } from './reconciler.ts'
import { type RunningReconcilers, startReconcilers } from './start.ts'

/** A line that a reconciler logged. */
export interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly fields: object
  readonly message: string
}

/** A controller with a ground, a running VM, and reconcilers that run when told to. */
export interface Scene extends TestController {
  readonly ground: Ground
  readonly reconcilers: RunningReconcilers
  readonly log: readonly LogLine[]
  /** Runs reconcilers, one after the other. */
  turn(...names: readonly string[]): Promise<void>
  /** Deploys a VM that runs; answers its id. */
  deploy(more?: Asked): Promise<string>
  /** Creates a volume of 1 GiB; answers its id. */
  create(more?: Asked): Promise<string>
  /** The only object that a list command answers. */
  one(command: string, params: Asked): Promise<Answered>
  /** Operations of a saga about a thing, the oldest first, all of them ended: waits for those that are open. */
  operations(saga: string, subject: string): Promise<readonly { readonly id: string; readonly state: string }[]>
  /** Events about a thing, as `TYPE LEVEL`, the oldest first. */
  events(resource: string, types: string): Promise<readonly string[]>
  /** Makes the latest operation about a thing end `seconds` earlier than it did. */
  age(subject: string, seconds: number): Promise<void>
  /** Pulls the plug of a machine at its host, behind our back. */
  pullThePlug(vm: string): Promise<void>
  /** A call to a back end that no operation makes, and no fence refuses. */
  behindUs(): Promise<Call>
  /** Takes a census; answers its open findings. */
  findings(): Promise<readonly Answered[]>
}

/** So long that no turn comes by itself while a test runs. */
const NEVER_MS = 24 * 3_600_000
const ENDED_MS = 30_000

/** Names of all reconcilers. */
export const NAMES = [
  'host-report',
  'vm-state',
  'vm-restart',
  'pool-report',
  'pool-reach',
  'archive-report',
  'archive-upkeep',
  'mover-report',
  'volume-expunge',
  'snapshot-schedule',
  'recycle-bin',
  'unfinished',
  'template-seeds',
  'qos-observed',
  'volume-io',
  'operation-retention',
  'census-clock',
  'audit-seal',
  'audit-retention',
] as const

/** Starts reconcilers that run when told to. */
export function patientReconcilers({ system }: Pick<TestController, 'system'>, log: ReconcilerLog): RunningReconcilers {
  const { store, plugins, jobs } = system
  const everyMs = Object.fromEntries(NAMES.map((name) => [name, NEVER_MS]))
  return startReconcilers({ store, plugins, jobs, log, everyMs })
}

/** Starts everything; about a second. */
export async function startScene(options: Parameters<typeof startController>[0] = {}): Promise<Scene> {
  const controller = await startController(options)
  const { api } = controller
  const ground = await makeGround(controller)
  const log: LogLine[] = []
  const note = (level: LogLine['level']) => (fields: object, message: string) =>
    void log.push({ level, fields, message })
  const reconcilers = patientReconcilers(controller, { info: note('info'), warn: note('warn'), error: note('error') })
  const { zone: zoneid, service: serviceofferingid, template: templateid, offering: diskofferingid } = ground
  return {
    ...controller,
    ground,
    reconcilers,
    log,
    async turn(...names) {
      for (const name of names) await reconcilers.runNow(name)
    },
    deploy: async (more) =>
      textOf(await api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid, ...more }), 'id'),
    create: async (more) =>
      textOf(await api.run('createVolume', { name: 'disk', zoneid, diskofferingid, size: 1, ...more }), 'id'),
    async one(command, params) {
      const [found, ...others] = await api.list(command, params)
      if (!found || others.length > 0) throw new Error(`${command} answered ${others.length + Number(!!found)} objects`)
      return found
    },
    ...looking(controller),
    async stop() {
      await controller.simulator.faults.clear()
      await reconcilers.stop()
      await controller.stop()
    },
  }
}

function looking({
  api,
  store,
  system,
}: TestController): Pick<Scene, 'operations' | 'events' | 'age' | 'pullThePlug' | 'behindUs' | 'findings'> {
  return {
    operations: (saga, subject) => endedOperations(system, saga, subject),
    async events(resource, types) {
      const found = await store.reader
        .selectFrom('event')
        .select(['type', 'level'])
        .where('resourceId', '=', resource)
        .where('type', 'like', types)
        .orderBy('seq')
        .execute()
      return found.map(({ type, level }) => `${type} ${level}`)
    },
    async age(subject, seconds) {
      await sql`update operation set ended_at = ended_at - make_interval(secs => ${seconds})
        where seq = (select max(seq) from operation where subject_id = ${subject})`.execute(store.reader)
    },
    async pullThePlug(vm) {
      const row = await store.reader.selectFrom('vm').select('hostId').where('id', '=', vm).executeTakeFirstOrThrow()
      const { adapter } = await system.plugins.host(row.hostId ?? '')
      // An id of ours is made by us; the brand only keeps kinds apart.
      await adapter(() => {}).vms.stop(vm as VmId, { force: true }, await behindUs(store))
    },
    behindUs: () => behindUs(store),
    async findings() {
      await api.run('runCensus')
      return api.list('listCensusFindings', { state: 'open' })
    },
  }
}

async function endedOperations(
  { store, jobs }: TestController['system'],
  saga: string,
  subject: string,
): ReturnType<Scene['operations']> {
  const look = () =>
    store.reader
      .selectFrom('operation')
      .select(['id', 'state'])
      .where('saga', '=', saga)
      .where('subjectId', '=', subject)
      .orderBy('seq')
      .execute()
  for (const { id } of await look())
    if (!(await jobs.ended(id, ENDED_MS))) throw new Error(`operation ${id} has not ended`)
  return look()
}

async function behindUs({ reader }: TestController['store']): Promise<Call> {
  const { fence } = await reader
    .selectFrom('operation')
    .select(({ fn }) => fn.max('fence').as('fence'))
    .executeTakeFirstOrThrow()
  return { key: randomUUID(), deadline: Date.now() + 5_000, signal: AbortSignal.timeout(5_000), fence }
}
