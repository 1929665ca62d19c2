import { startMover, type TestMover } from '@moorage/mover/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningReconcilers } from '../../reconcilers/start.ts'
import { patientReconcilers } from '../../reconcilers/testing.ts'
import { makeGround, startController, type TestController } from '../../testing.ts'
import { type Asked, textOf } from '../../testing-client.ts'

let controller: TestController
let reconcilers: RunningReconcilers
let daemon: TestMover
let zone: string
beforeAll(async () => {
  ;[controller, daemon] = await Promise.all([startController(), startMover()])
  zone = (await makeGround(controller)).zone
  reconcilers = patientReconcilers(controller, { info: () => {}, warn: () => {}, error: () => {} })
})
afterAll(async () => {
  await reconcilers.stop()
  await Promise.all([controller.stop(), daemon.stop()])
})

async function add(more: Asked = {}) {
  const { url, user: username, password } = daemon
  return controller.api.run('addMover', { name: 'porter', zoneid: zone, url, username, password, ...more })
}

test.each([
  ['a url of another scheme', { url: 'ftp://127.0.0.1' }, 'it must begin with http://'],
  ['a password that is wrong', { password: 'wrong' }, 'refused the credentials'],
  ['an address where nobody listens', { url: 'http://127.0.0.1:1' }, 'cannot be reached'],
])('addMover refuses %s, and registers nothing', async (_what, params, why) => {
  await expect(add(params)).rejects.toThrow(why)
  expect(await controller.api.list('listMovers')).toEqual([])
})

test('a mover is registered once, watched, and forgotten', async () => {
  const made = await add()
  const id = textOf(made, 'id')
  expect(made).toMatchObject({
    name: 'porter',
    zoneid: zone,
    initiator: daemon.initiator,
    providers: ['directory', 's3'],
  })
  expect(JSON.stringify(made)).not.toContain(daemon.password)
  await expect(add({ name: 'other' })).rejects.toThrow('registered already, as porter')

  const seen = async () => {
    for (let turn = 0; turn < 2; turn += 1) await reconcilers.runNow('mover-report')
    const events = await controller.api.list('listEvents', { resourceid: id, listall: true })
    const [row] = await controller.api.list('listMovers', { id })
    const types = events.map((event) => textOf(event, 'type')).filter((type) => type !== 'MOVER.ADD')
    return { told: types.toSorted(), silent: row?.['unreachablesince'] !== undefined }
  }
  expect(await seen()).toEqual({ told: [], silent: false })
  await daemon.kill('SIGKILL')
  expect(await seen()).toEqual({ told: ['MOVER.ALERT'], silent: true })
  await daemon.restart()
  expect(await seen()).toEqual({ told: ['MOVER.ALERT', 'MOVER.RECONNECT'], silent: false })

  await controller.api.run('deleteMover', { id })
  expect(await controller.api.list('listMovers', { id })).toEqual([])
})
