import { randomUUID } from 'node:crypto'
import type { EntityKind } from '../store/queries/entities.ts'
import type { Ground, TestController } from '../testing.ts'
import { type Asked, type TestClient, textOf } from '../testing-client.ts'
import type { Command } from './command.ts'

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
  const places = { zone, pod, cluster, host: ground.hosts[0], pool, template }
  return {
    ...places,
    diskoffering: offering,
    serviceoffering: service,
    vm: textOf(vm, 'id'),
    volume,
    snapshot: textOf(snapshot, 'id'),
    domain: await first('listDomains'),
    account: await first('listAccounts'),
    user: await first('listUsers'),
    operation: await first('listOperations'),
    event: await first('listEvents'),
    censusfinding: await findingOf(controller, ground),
  }
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

/** Values for required parameters that are no ids, where any value of the type will not do. */
const FILLERS: Readonly<Record<string, string>> = {
  templatefilter: 'all',
  type: 'primary',
  networktype: 'Basic',
  format: 'RAW',
  memory: '128',
  action: 'ignore',
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
