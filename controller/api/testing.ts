import { randomUUID } from 'node:crypto'
import { jsonb } from '../store/json.ts'
import type { EntityKind } from '../store/queries/entities.ts'
import type { Ground, TestController } from '../testing.ts'
import { NOBODYS, type StandInKind } from '../domain/stand-in.ts'
import { type Asked, type TestClient, textOf } from '../testing-client.ts'
import type { Command } from './command.ts'
import { COMMANDS } from './registry.ts'
import { STAND_INS } from './commands/stand-in-table.ts'

/** An id of each kind of entity that parameters name. */
export type Known = Readonly<Record<EntityKind, string>>

/** Makes one of each kind that parameters name, on a ground, for the administrator or who else asks, and answers their ids. */
export async function entitiesOf(
  controller: TestController,
  ground: Ground,
  { api = controller.api }: { readonly api?: TestClient } = {},
): Promise<Known> {
  const first = async (command: string, more: Asked = {}) => textOf((await api.list(command, more))[0] ?? {}, 'id')
  const { zone, pod, cluster, pool, offering, service, template } = ground
  const vm = await api.run('deployVirtualMachine', { zoneid: zone, serviceofferingid: service, templateid: template })
  const disk = await api.run('createVolume', { zoneid: zone, diskofferingid: offering, size: 1, name: 'one' })
  const volume = textOf(disk, 'id')
  await api.run('attachVolume', { id: volume, virtualmachineid: textOf(vm, 'id') })
  const snapshot = await api.run('createSnapshot', { volumeid: volume })
  const volumeless = { zone, pod, cluster, host: ground.hosts[0], vm: textOf(vm, 'id'), serviceoffering: service }
  const standIns = await standInsOf(api, volumeless)
  const places = { zone, pod, cluster, host: ground.hosts[0], pool, template }
  return {
    ...places,
    ...standIns,
    diskoffering: offering,
    serviceoffering: service,
    vm: textOf(vm, 'id'),
    volume,
    snapshot: textOf(snapshot, 'id'),
    snapshotpolicy: textOf(await api.run('createSnapshotPolicy', { volumeid: volume, ...POLICY }), 'id'),
    domain: await first('listDomains'),
    account: await first('listAccounts'),
    user: await first('listUsers'),
    operation: await first('listOperations'),
    event: await first('listEvents'),
    censusfinding: await findingOf(controller, ground),
    ...(await moversOf(controller, ground)),
  }
}

/** A mover and an archive that nobody asks anything. */
async function moversOf({ store }: TestController, { zone }: Ground): Promise<Pick<Known, 'archive' | 'mover'>> {
  const [archive, mover] = [randomUUID(), randomUUID()]
  const where = { zoneId: zone, name: 'known', settings: jsonb({}), sealedSettings: Buffer.alloc(0) }
  const kept = { provider: 'directory', url: 'file:///nowhere', chunkBytes: 1_048_576, conditionalPut: 'none' } as const
  await store.reader
    .insertInto('archive')
    .values({ id: archive, identity: archive, ...where, ...kept })
    .execute()
  const said = { initiator: 'iqn', accepts: [], archives: [], version: '1', url: 'http://nowhere' }
  await store.reader
    .insertInto('mover')
    .values({ id: mover, identity: mover, ...where, ...said })
    .execute()
  return { archive, mover }
}

/** A finding about nothing that is there, as a census would write it. */
async function findingOf({ store }: TestController, { pool }: Ground): Promise<string> {
  const [id, runId] = [randomUUID(), randomUUID()]
  const where = { place: `pool:${pool}`, object: `volume:${randomUUID()}` }
  await store.reader
    .insertInto('censusFinding')
    .values({ id, runId, class: 'orphan-volume', kind: 'orphan', state: 'open', ...where })
    .execute()
  return id
}

/** One of each kind of stand-in; those that are nobody's may have been made by an administrator before. */
async function standInsOf(api: TestClient, made: Readonly<Record<string, string>>): Promise<StandIns> {
  const known: Record<string, string> = { ...made }
  // Names of some are taken once in an account, which may be asked for several.
  const name = `known-${randomUUID().slice(0, 8)}`
  known['sshkeypair'] = textOf(await api.run('createSSHKeyPair', { name }), 'id')
  for (const { kind, create, list } of STAND_INS) {
    const [there] = NOBODYS.some((nobodys) => nobodys === kind) ? await api.list(list.name) : []
    const command = COMMANDS.find(({ name }) => name === create.name)
    if (command === undefined) throw new Error(`there is no command ${create.name}`)
    // What it needs was made before it: the table is in that order.
    const needed = neededBy(command, known as Known)
    const asked = 'name' in needed ? { ...needed, name } : needed
    known[kind] = textOf(there ?? (await api.run(create.name, asked)), 'id')
  }
  return known as StandIns // Each of the table, and the key pair.
}
type StandIns = Readonly<Record<StandInKind, string>>

const POLICY = { intervaltype: 'DAILY', schedule: '0:3', timezone: 'UTC', maxsnaps: 1 } as const

/** Values for required parameters that are no ids, where any value of the type will not do. */
const FILLERS: Readonly<Record<string, string>> = {
  templatefilter: 'all',
  type: 'primary',
  networktype: 'Basic',
  format: 'RAW',
  memory: '128',
  action: 'ignore',
  resourcetype: 'Volume',
  guestiptype: 'Isolated',
  intervaltype: POLICY.intervaltype,
  schedule: POLICY.schedule,
  timezone: POLICY.timezone,
  publickey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
}
const BY_TYPE = {
  string: 'x',
  integer: '1',
  long: '1',
  boolean: 'true',
  date: '2026-01-01',
  list: 'x',
  uuid: '',
  map: '',
}

function filler(name: string, param: Command['params'][string], known: Known): Asked {
  if (param.entity !== undefined) return { [name]: known[param.entity] }
  if (param.type === 'map') return { [`${name}[0].key`]: 'a', [`${name}[0].value`]: 'b' }
  return { [name]: FILLERS[name] ?? BY_TYPE[param.type] }
}

/** Sound values for the parameters that the command requires, but for `except`. */
export function neededBy(command: Command, known: Known, except = ''): Asked {
  const required = Object.entries(command.params).filter(([name, param]) => param.needed && name !== except)
  return Object.fromEntries(required.flatMap(([name, param]) => Object.entries(filler(name, param, known))))
}
