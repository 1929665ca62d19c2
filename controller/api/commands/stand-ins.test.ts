import { createPrivateKey, createPublicKey, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeGround, startController, type TestController } from '../../testing.ts'
import { type Answered, type TestClient, textOf } from '../../testing-client.ts'
import { COMMANDS } from '../registry.ts'
import { entitiesOf, type Known, neededBy } from '../testing.ts'
import { STAND_INS, type StandInSpec } from './stand-in-table.ts'

let controller: TestController
let api: TestClient
let known: Known
beforeAll(async () => {
  controller = await startController()
  api = controller.api
  known = await entitiesOf(controller, await makeGround(controller))
})
afterAll(() => controller.stop())

function asked(spec: StandInSpec) {
  const command = COMMANDS.find(({ name }) => name === spec.create.name)
  if (command === undefined) throw new Error(`no command ${spec.create.name}`)
  return { ...neededBy(command, known), ...('name' in spec.params ? { name: `of ${spec.what}` } : {}) }
}

describe.each(STAND_INS.map((spec) => [spec.what, spec] as const))('a %s', (_, spec) => {
  test('is recorded, listed back as it was asked for, says that it is only a record, and is forgotten', async () => {
    const params = asked(spec)
    const answer = await api.ask(spec.create.name, params)
    expect(Object.keys(answer)).toEqual(spec.create.kind === 'sync' ? [spec.create.key] : ['id', 'jobid'])
    const made = spec.create.kind === 'sync' ? only(answer) : only(await api.job(textOf(answer, 'jobid')))
    const id = textOf(made, 'id')
    expect(made).toMatchObject({ recordedonly: true })
    for (const [name, value] of Object.entries(params)) expect(String(made[name])).toBe(value)
    for (const name of spec.asText ?? []) if (name in made) expect(typeof made[name]).toBe('string')
    expect(await api.list(spec.list.name, { id })).toEqual([made])
    const named = Object.entries(params).filter(([name]) => name === 'name' || spec.params[name]?.entity !== undefined)
    expect(await api.list(spec.list.name, { ...Object.fromEntries(named), listall: true })).toContainEqual(made)
    const gone = await api.ask(spec.remove.name, { id })
    if (spec.remove.kind === 'sync') expect(gone).toMatchObject({ success: true, displaytext: /nothing had been made/ })
    else expect(await api.job(textOf(gone, 'jobid'))).toEqual({ success: true })
    expect(await api.refuses(spec.list.name, { id })).toMatch(/^431 .*Invalid parameter id value=/)
  })
})

/** The one object of an answer. */
function only(answer: Answered): Answered {
  const [first] = Object.values(answer)
  return first as Answered // Answers about one thing hold that one object.
}

describe('the stand-in of a public address', () => {
  test('is found by its address, which leads nowhere, and which its rules tell', async () => {
    const [one = {}] = await api.list('listPublicIpAddresses', { id: known.publicipaddress })
    const address = textOf(one, 'ipaddress')
    expect(address).toMatch(/^240\.0\./)
    expect(await api.list('listPublicIpAddresses', { ipaddress: address })).toEqual([one])
    expect(await api.list('listPublicIpAddresses', { ipaddress: '10.1.2.3' })).toEqual([])
    for (const list of ['listFirewallRules', 'listPortForwardingRules', 'listIpForwardingRules'])
      expect((await api.list(list, { ipaddressid: known.publicipaddress }))[0]).toMatchObject({ ipaddress: address })
  })
})

describe('names', () => {
  test('of security groups and SSH key pairs are an account’s own, and taken once', async () => {
    const publickey = `ssh-ed25519 ${Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.alloc(36)]).toString('base64')}`
    const user = await controller.user()
    for (const client of [api, user]) {
      await client.run('createSecurityGroup', { name: 'own' })
      expect(await client.refuses('createSecurityGroup', { name: 'own' })).toMatch(
        /^431 .*own is the name of another security group/,
      )
      await client.run('registerSSHKeyPair', { name: 'own', publickey: `${publickey} somebody@somewhere` })
      expect(await client.refuses('createSSHKeyPair', { name: 'own' })).toMatch(
        /^431 .*own is the name of another SSH key pair/,
      )
      expect(await client.list('listSSHKeyPairs', { name: 'own' })).toMatchObject([{ name: 'own', publickey }])
    }
    await api.ask('deleteSSHKeyPair', { name: 'own' })
    expect(await api.refuses('deleteSSHKeyPair', { name: 'own' })).toMatch(/^431 .*there is no SSH key pair/)
    expect(await user.list('listSSHKeyPairs')).toHaveLength(1)
  })
})

describe('an SSH key pair', () => {
  test('is made: the private key, told once, belongs to the public key that is recorded', async () => {
    const made = await api.run('createSSHKeyPair', { name: 'made' })
    const jwk = createPublicKey(createPrivateKey(textOf(made, 'privatekey'))).export({ format: 'jwk' })
    const blob = Buffer.from(textOf(made, 'publickey').split(' ')[1] ?? '', 'base64')
    const modulus = Buffer.from(jwk.n ?? '', 'base64url')
    expect(blob.subarray(-modulus.length).equals(modulus)).toBe(true)
    expect(made['fingerprint']).toMatch(/^([0-9a-f]{2}:){15}[0-9a-f]{2}$/)
    const [listed = {}] = await api.list('listSSHKeyPairs', { fingerprint: textOf(made, 'fingerprint') })
    expect(listed).toEqual(Object.fromEntries(Object.entries(made).filter(([name]) => name !== 'privatekey')))
    const rows = await controller.store.reader.selectFrom('standIn').selectAll().execute()
    expect(JSON.stringify(rows)).not.toContain('PRIVATE')
  })

  test.each(['x', 'ssh-rsa', 'ssh-rsa AAAA', 'ssh-dss AAAAB3NzaC1yc2EAAAADAQABAAAA', 'ssh-rsa ???'])(
    'is refused with the public key %j',
    async (publickey) => {
      expect(await api.refuses('registerSSHKeyPair', { name: 'bad', publickey })).toMatch(
        /^431 .*publickey: it must read/,
      )
    },
  )
})

test('what was recorded for an account goes with it', async () => {
  const user = await controller.user()
  const [account = {}] = await user.list('listAccounts')
  await user.run('createSecurityGroup', { name: 'orphan' })
  await api.run('deleteAccount', { id: textOf(account, 'id') })
  expect(await api.list('listSecurityGroups', { listall: true, name: 'orphan' })).toEqual([])
})

test('of a kind an account has a thousand at most, also when the last ones are recorded at once', async () => {
  const user = await controller.user()
  const [account = {}] = await user.list('listAccounts')
  const accountId = textOf(account, 'id')
  const row = (nth: number) => ({ id: randomUUID(), kind: 'securitygroup', accountId, name: `g${nth}`, attributes: {} })
  const most = Array.from({ length: 998 }, (_, nth) => row(nth))
  await controller.store.reader.insertInto('standIn').values(most).execute()
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const statuses = await Promise.all(
    names.map(async (name) => (await user.send('createSecurityGroup', { name })).status),
  )
  expect(statuses.toSorted((one, other) => one - other)).toEqual([200, 200, 535, 535, 535, 535])
})
