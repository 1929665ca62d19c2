import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLogger } from '../telemetry/logger.ts'
import { makeGround, poolParams, startController, type TestController } from '../testing.ts'
import { type Answered, textOf } from '../testing-client.ts'

let controller: TestController
const lines: string[] = []
/** Each is planted where secrets go, and looked for everywhere afterwards. */
const planted = new Map<string, string>()

beforeAll(async () => {
  controller = await startController({
    log: createLogger({ level: 'trace' }, { write: (line) => void lines.push(line) }),
  })
})
afterAll(() => controller.stop())

function secret(where: string): string {
  const made = `planted-${randomUUID()}`
  planted.set(where, made)
  return made
}

async function post(params: Readonly<Record<string, string>>, query = ''): Promise<Response> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return await fetch(`${controller.url}${query}`, {
    method: 'POST',
    headers,
    body: new URLSearchParams(params).toString(),
  })
}

async function plantUsers(): Promise<void> {
  const { api } = controller
  const [username, password] = ['ann', secret('password of a user')]
  const person = { username, firstname: 'Ann', lastname: 'Other', email: 'ann@example.com' }
  await api.run('createAccount', { ...person, accounttype: 0, password })
  const [found] = await api.list('listUsers', { username, listall: true })
  const keys = await api.run('registerUserKeys', { id: textOf(found ?? {}, 'id') })
  planted.set('secret key', textOf(keys, 'secretkey'))
  await post({ command: 'login', username, password: secret('wrong password') })
  const login = await post({ command: 'login', username, password })
  // The answer to a login that succeeded.
  const { loginresponse } = (await login.json()) as { readonly loginresponse: Answered }
  planted.set('session key', textOf(loginresponse, 'sessionkey'))
  const cookies = login.headers.getSetCookie().map((cookie) => cookie.split(';')[0] ?? '')
  planted.set('session', (cookies.find((cookie) => cookie.startsWith('JSESSIONID')) ?? '').split('=')[1] ?? '')
  const headers = { cookie: cookies.join('; ') }
  const sessionkey = encodeURIComponent(textOf(loginresponse, 'sessionkey'))
  await fetch(`${controller.url}?command=createZone&name=x&networktype=Basic&sessionkey=${sessionkey}`, { headers })
  await post({ command: 'createZone', apikey: textOf(keys, 'apikey'), signature: secret('wrong signature') })
}

async function plantBackEnds(): Promise<void> {
  const { api, simulator } = controller
  const { zone: zoneid, pod: podid, cluster: clusterid } = await makeGround(controller)
  planted.set('settings of a pool and a host', simulator.password)
  const pool = { ...poolParams(simulator, 'wrong'), zoneid }
  await api.send('createStoragePool', { ...pool, 'details[0].password': secret('wrong password of an array') })
  const url = `simulator://root:${secret('password in a url')}@127.0.0.1:1/array`
  await api.send('createStoragePool', { ...pool, url })
  await api.send('createStoragePool', { ...pool, [secret('name of no parameter')]: secret('value of no parameter') })
  const host = { zoneid, podid, clusterid, hypervisor: 'Simulator', url: simulator.hostEndpoint('odd').url }
  await api.send('addHost', { ...host, username: simulator.user, password: secret('wrong password of a host') })
}

async function plantVolumes(): Promise<void> {
  const { api, simulator, system } = controller
  const ground = await makeGround(controller, 'two')
  const { zone: zoneid, service: serviceofferingid, template: templateid, offering: diskofferingid } = ground
  const userdata = secret('user data')
  const vm = await api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid, userdata })
  await simulator.faults.arm({ method: 'array/access/expose', kind: 'error-after', code: 'BUSY' })
  await simulator.faults.arm({ method: 'host/disks/attach', kind: 'error-after', code: 'INTERNAL' })
  for (const name of ['fails', 'works']) {
    const volume = await api.run('createVolume', { zoneid, diskofferingid, size: 1, name })
    const about = { id: textOf(volume, 'id'), virtualmachineid: textOf(vm, 'id') }
    await system.jobs.ended(textOf(await api.ask('attachVolume', about), 'jobid'), 30_000)
  }
  const { rows } = await sql<{ id: string; sealed: Buffer }>`
    select source_id as id, sealed from connection where sealed is not null and source_kind = 'volume'`.execute(
    controller.store.reader,
  )
  expect(rows.length).toBeGreaterThan(0)
}

test('no secret that was given, made or guessed is in the log, the audit, the journal, events or metrics', async () => {
  planted.set('secret key of the administrator', controller.keys.secretKey)
  await plantUsers()
  await plantBackEnds()
  await plantVolumes()
  // A fault inside, with the row that it is about in the database's error.
  const broken = sql`insert into principal (id, account_id, username, password_hash)
    values (${randomUUID()}, ${randomUUID()}, null, ${secret('row in an error of the database')})`
  const error: unknown = await broken.execute(controller.store.reader).catch((thrown: unknown) => thrown)
  expect(JSON.stringify(error)).toContain(planted.get('row in an error of the database'))
  createLogger({ level: 'trace' }, { write: (line) => void lines.push(line) }).error({ err: error }, 'broken')

  expect([...planted.values()].filter((value) => value.length < 12)).toEqual([])
  const places = new Map([['log', lines.join('')]])
  for (const table of ['audit_record', 'operation', 'operation_step', 'operation_log', 'event', 'census_finding']) {
    const { rows } = await sql<{ text: string }>`select to_jsonb(t)::text as text from ${sql.table(table)} t`.execute(
      controller.store.reader,
    )
    places.set(table, rows.map(({ text }) => text).join('\n'))
  }
  for (const table of ['log', 'audit_record', 'operation', 'operation_log', 'event'])
    expect({ table, rows: (places.get(table)?.length ?? 0) > 1000 }).toEqual({ table, rows: true })
  const found = [...places].flatMap(([place, text]) =>
    [...planted].filter(([, value]) => text.includes(value)).map(([what]) => `${what} is in ${place}`),
  )
  expect(found).toEqual([])
})
