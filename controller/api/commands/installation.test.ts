import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeGround, startController, type TestController } from '../../testing.ts'
import type { TestClient } from '../../testing-client.ts'

let controller: TestController
let user: TestClient
beforeAll(async () => {
  controller = await startController()
  await makeGround(controller)
  user = await controller.user()
})
afterAll(() => controller.stop())

describe('the installation', () => {
  test('counts what it is made of, and names its controllers', async () => {
    const whole = await controller.api.send('listInfrastructure')
    expect(whole.answer['infrastructure']).toMatchObject({ zones: 1, pods: 1, clusters: 1, hosts: 2, systemvms: 0 })
    const servers = await controller.api.list('listManagementServers')
    expect(servers).toHaveLength(1)
    expect(servers[0]).toMatchObject({ state: 'Up', pendingjobscount: 0 })
  })

  test('has four roles, found by name and by type', async () => {
    const names = (await controller.api.list('listRoles')).map((role) => role['name'])
    expect(names).toEqual(['Admin', 'DomainAdmin', 'User', 'ReadOnlyAdmin'])
    expect(await controller.api.list('listRoles', { type: 'domainadmin' })).toHaveLength(1)
    expect(await controller.api.list('listRoles', { name: 'Nobody' })).toEqual([])
  })

  test('lists the tags of its pools each once', async () => {
    const pools = await controller.api.list('listStoragePools')
    for (const pool of pools)
      await controller.api.run('updateStoragePool', { id: String(pool['id']), tags: 'fast,ssd' })
    const tags = await controller.api.list('listStorageTags')
    expect(tags.map((tag) => tag['name'])).toEqual(['fast', 'ssd'])
    expect(await controller.api.list('listStorageTags', { keyword: 'SS' })).toHaveLength(1)
    // As typed clients read it: a number, by which the API finds the pool.
    expect(await controller.api.list('listStoragePools', { id: Number(tags[0]?.['poolid']) })).toEqual([
      expect.objectContaining({ tags: 'fast,ssd' }),
    ])
  })

  test('shows operators as alerts what is a warning or an error, and nothing else', async () => {
    const alerts = await controller.api.list('listAlerts')
    const events = await controller.api.list('listEvents')
    const grave = events.filter((event) => event['level'] !== 'INFO').map((event) => event['id'])
    expect(alerts.map((alert) => alert['id'])).toEqual(grave)
  })
})

describe('what is not here', () => {
  test.each(['listNetworks', 'listIsos', 'listProjects', 'listSecurityGroups'])(
    '%s answers a tenant with an empty list',
    async (command) => {
      expect(await user.send(command)).toMatchObject({ status: 200, answer: {} })
    },
  )

  test.each(['listIdps', 'listOauthProvider', 'listGuiThemes'])(
    '%s answers before anybody has logged in',
    async (command) => {
      const answered = await fetch(`${controller.url}?command=${command}&response=json`)
      expect({ status: answered.status, body: await answered.json() }).toEqual({
        status: 200,
        body: { [`${command.toLowerCase()}response`]: {} },
      })
    },
  )

  test('the quota service is off, and says so', async () => {
    expect((await user.send('quotaIsEnabled')).answer).toEqual({ isenabled: { isenabled: false } })
  })
})
