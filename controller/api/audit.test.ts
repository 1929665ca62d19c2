import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createAuditor } from '../operations/audit.ts'
import { sealAudit, trimAudit } from '../store/audit-chain.ts'
import { verifyAudit } from '../store/audit-verify.ts'
import { type Ground, makeGround, startController, type TestController } from '../testing.ts'
import { type Answered, type Asked, type TestClient, textOf } from '../testing-client.ts'
import { isAudited } from './audited.ts'
import { COMMANDS } from './registry.ts'
import { createApiServer } from './server.ts'
import { entitiesOf, neededBy } from './testing.ts'

let controller: TestController
let ground: Ground
let user: TestClient

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  user = await controller.user()
})
afterAll(() => controller.stop())

async function records(more: Asked = {}): Promise<readonly Answered[]> {
  return await controller.api.list('listAuditRecords', more)
}

function newVolume(name: string): Asked {
  return { zoneid: ground.zone, diskofferingid: ground.offering, size: 1, name }
}

async function sealAll(): Promise<void> {
  for (let sealed = 1; sealed > 0;) sealed = await sealAudit(controller.store)
}

describe('the audit', () => {
  test('has who asked for what, from where, and the operation that it became', async () => {
    const { jobid } = await user.ask('createVolume', newVolume('audited'))
    const [record] = await records({ jobid: String(jobid) })
    expect(record).toMatchObject({
      forcommand: 'createVolume',
      outcome: 'accepted',
      source: '127.0.0.1',
      jobid,
      account: expect.stringMatching(/^user-/) as string, // A matcher has no type.
      username: expect.stringMatching(/^user-/) as string, // As above.
    })
    expect(JSON.parse(textOf(record ?? {}, 'parameters'))).toMatchObject({ name: 'audited', size: '1' })
  })

  test('has what was refused, and why: by its rules, by its role, and to nobody', async () => {
    const last = async (forcommand: string) => (await records({ forcommand }))[0]
    await user.refuses('createVolume', { name: 'refused' })
    expect(await last('createVolume')).toMatchObject({
      outcome: 'refused',
      errorcode: 431,
      account: expect.any(String) as string, // A matcher has no type.
    }) // A matcher has no type.
    await user.refuses('createZone', { name: 'refused', networktype: 'Basic' })
    expect(await last('createZone')).toMatchObject({ outcome: 'refused', errorcode: 432 })
    await fetch(`${controller.url}?command=destroyVolume&apikey=nobody&signature=x`)
    expect(await last('destroyVolume')).toMatchObject({ outcome: 'refused', errorcode: 401 })
    await fetch(`${controller.url}?command=login&username=a&password=b`)
    expect(await last('login')).toMatchObject({
      outcome: 'refused',
      errorcode: 405,
      parameters: '{"username":"a","password":"[hidden]"}',
    })
    expect((await last('destroyVolume'))?.['accountid']).toBeUndefined()
  })

  test('has requests to abort before they are passed on, and nothing of commands that read', async () => {
    const { api, simulator, system } = controller
    const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
    await simulator.faults.arm({ method: 'host/vms/start', kind: 'hold-before' })
    const asked = await api.ask('deployVirtualMachine', { zoneid, serviceofferingid, templateid })
    await simulator.faults.held('host/vms/start')
    const id = textOf(asked, 'jobid')
    await api.ask('abortOperation', { id })
    await simulator.faults.clear()
    await system.jobs.ended(id, 30_000)
    const before = await records()
    expect(before[0]).toMatchObject({ forcommand: 'abortOperation', outcome: 'done' })
    await api.list('listVolumes')
    await api.ask('queryAsyncJobResult', { jobid: id })
    expect(await records()).toHaveLength(before.length)
  })

  test('has one record for a command that looks before it changes, whether it succeeds or not', async () => {
    const { api, simulator } = controller
    const params = { name: 'nowhere', zoneid: ground.zone, provider: 'simulator', scope: 'zone', managed: true }
    const url = 'simulator://root:hunter2@127.0.0.1:1/array'
    await api.send('createStoragePool', { ...params, url, 'details[0].user': 'u', 'details[0].password': 'hunter2' })
    const [failed, ...more] = (await records({ forcommand: 'createStoragePool' })).slice(0, 2)
    expect(failed).toMatchObject({ outcome: 'refused' })
    expect(more[0]).toMatchObject({ outcome: 'done' })
    expect(JSON.stringify(failed)).not.toContain('hunter2')
    const { user: name, password } = simulator
    const own = { 'details[0].user': name, 'details[0].password': password }
    await api.run('createStoragePool', {
      ...params,
      url: simulator.storageEndpoint('other').url,
      name: 'second',
      ...own,
    })
    const added = (await records({ forcommand: 'createStoragePool' })).slice(0, 2)
    expect(added.map(({ outcome }) => outcome)).toEqual(['done', 'refused'])
  })

  test('is of operators: tenants do not see it', async () => {
    await expect(user.list('listAuditRecords')).rejects.toThrow(/not available for this user/)
  })

  test('keeps a bounded number of records of strangers in a minute', async () => {
    const outcomes: string[] = []
    const log = { debug: () => {}, info: () => {}, error: () => {} }
    const auditor = createAuditor({
      node: 'here',
      log,
      observe: (one) => void outcomes.push(one),
      strangersPerMinute: 2,
    })
    const { system } = controller
    const server = await createApiServer({ system, listen: { host: '127.0.0.1', port: 0 }, log, auditor })
    for (let n = 0; n < 4; n += 1) await fetch(`${server.url}/client/api?command=createVolume`)
    await server.close()
    expect(outcomes).toEqual(['refused', 'refused', 'suppressed', 'suppressed'])
    expect((await records({ forcommand: 'createVolume' }))[0]).toMatchObject({ node: 'here', errorcode: 401 })
  })
})

test('every command that is not audited writes nothing, and no other is called list or query', async () => {
  const known = await entitiesOf(controller, await makeGround(controller, 'two'))
  const refused = () => Promise.reject(new Error('a command that only reads began a transaction'))
  const store = { ...controller.store, transact: refused }
  const log = { debug: () => {}, info: () => {}, error: () => {} }
  const listen = { host: '127.0.0.1', port: 0 }
  const server = await createApiServer({
    system: { ...controller.system, store },
    listen,
    integrationListen: listen,
    log,
  })
  try {
    for (const command of COMMANDS.filter((one) => !isAudited(one))) {
      const query = new URLSearchParams({ command: command.name })
      for (const [name, value] of Object.entries(neededBy(command, known))) query.set(name, String(value))
      const { status } = await fetch(`${server.integrationUrl}/client/api?${query.toString()}`)
      expect({ command: command.name, status }).toEqual({ command: command.name, status: 200 })
    }
  } finally {
    await server.close()
  }
})

describe('the chain', () => {
  beforeEach(async () => {
    for (const name of ['a', 'b', 'c']) await controller.api.ask('createVolume', newVolume(name))
    await sealAll()
    expect(await verifyAudit(controller.store)).toMatchObject({ faults: [], unsealed: 0 })
  })

  /** What a verification finds after somebody with the database's password has changed it; put back then. */
  async function after(...statements: readonly string[]): Promise<readonly string[]> {
    const { reader } = controller.store
    await sql`create table kept as select * from audit_record`.execute(reader)
    await sql`create table kept_chain as select * from audit_chain`.execute(reader)
    for (const statement of statements) await sql.raw(statement).execute(reader)
    const { faults } = await verifyAudit(controller.store)
    await sql`delete from audit_record`.execute(reader)
    await sql`insert into audit_record overriding system value select * from kept`.execute(reader)
    await sql`delete from audit_chain`.execute(reader)
    await sql`insert into audit_chain select * from kept_chain`.execute(reader)
    await sql`drop table kept, kept_chain`.execute(reader)
    return faults.map(({ kind, text }) => `${kind}: ${text}`)
  }

  const swapped =
    'update audit_record set position = case position when 3 then 4000003 else 4000004 end where position in (3, 4)'
  test.each([
    ['a field', /^changed: record 2 /, ["update audit_record set username = 'mallory' where position = 2"]],
    ['the outcome', /^changed: record 3 /, ["update audit_record set outcome = 'refused' where position = 3"]],
    ['the time', /^moved: record 2 /, ["update audit_record set at = at - interval '1 s' where position = 2"]],
    ['a missing record', /^missing: record 2 is gone/, ['delete from audit_record where position = 2']],
    ['a missing beginning', /^missing: records 1 to 2 are gone/, ['delete from audit_record where position <= 2']],
    [
      'a missing end',
      /^missing: the last record is \d+/,
      ['delete from audit_record where position = (select max(position) from audit_record)'],
    ],
    [
      'a missing end that the chain was made to fit',
      /^ends: /,
      [
        'delete from audit_record where position = (select max(position) from audit_record)',
        `update audit_chain set head_position = head_position - 1,
        head_hash = (select hash from audit_record order by position desc nulls last limit 1)`,
      ],
    ],
    [
      'two in another order',
      /^moved: record [34] /,
      [
        swapped,
        'update audit_record set position = case position when 4000003 then 4 else 3 end where position > 4000000',
      ],
    ],
    [
      'a gap that was closed',
      /^moved: record 2 /,
      [
        'delete from audit_record where position = 2',
        'update audit_record set position = position + 5000000 where position > 2',
        'update audit_record set position = position - 5000001 where position > 5000000',
      ],
    ],
    [
      'a forged record',
      /^missing: |^changed: /,
      [
        `insert into audit_record (node, request, account, username, source, command, params, outcome, text, mac, position, previous, hash)
       select node, request, account, 'mallory', source, command, params, outcome, text, mac,
         (select max(position) + 1 from audit_record), hash, hash from audit_record where position = 2`,
        'update audit_chain set head_position = head_position + 1',
      ],
    ],
  ] as const)('shows %s', async (_, says, statements) => {
    const faults = await after(...statements)
    expect(faults.join('\n')).toMatch(new RegExp(says.source, 'm'))
  })

  test('shows a record that was forged before it was sealed', async () => {
    const { reader } = controller.store
    await sql`
      insert into audit_record (node, request, account_id, account, principal_id, username, source, command, params, outcome, code, text,
        operation_id, mac)
      select node, request, account_id, account, principal_id, 'mallory', source, command, params, outcome, code, text,
        operation_id, mac
      from audit_record where position = 2`.execute(reader)
    await sealAll()
    const { faults, head } = await verifyAudit(controller.store)
    expect(faults).toEqual([{ kind: 'changed', text: expect.stringContaining(`record ${head.position} `) as string }]) // A matcher has no type.
    await sql`update audit_record set username = (select username from audit_record where position = 2)
      where position = ${head.position}`.execute(reader)
    expect(await verifyAudit(controller.store)).toMatchObject({ faults: [] })
  })

  test('shows that an older database was put back to whoever noted its end', async () => {
    const { head } = await verifyAudit(controller.store)
    expect(await verifyAudit(controller.store, head)).toMatchObject({ faults: [] })
    const later = { position: head.position + 5, hash: head.hash }
    expect(await verifyAudit(controller.store, later)).toMatchObject({ faults: [{ kind: 'missing' }] })
    const other = { position: head.position, hash: '0'.repeat(64) }
    expect(await verifyAudit(controller.store, other)).toMatchObject({ faults: [{ kind: 'moved' }] })
  })

  test('is sealed once by several controllers, and stays whole when its beginning is retained no longer', async () => {
    const { store, api } = controller
    await Promise.all(Array.from({ length: 8 }, () => api.ask('createVolume', newVolume(randomUUID()))))
    await Promise.all(Array.from({ length: 6 }, () => sealAudit(store)))
    await sealAll()
    const before = await verifyAudit(store)
    expect(before).toMatchObject({ faults: [], unsealed: 0 })
    expect(await trimAudit(store, 1)).toBe(0)
    expect(await trimAudit(store, 0)).toBe(before.records - 1)
    const { head } = before
    const kept = { faults: [], records: 1, base: head.position - 1, head }
    expect(await verifyAudit(store, head)).toMatchObject(kept)
    await api.ask('createVolume', newVolume('after'))
    await sealAll()
    expect(await verifyAudit(store, head)).toMatchObject({ faults: [], records: 2 })
    const [newest] = await records()
    expect(newest).toMatchObject({ position: head.position + 1, previoushash: head.hash })
  })
})
