import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { directoryArchive } from '@moorage/archive-directory'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeGround, startController, type TestController } from '../testing.ts'
import { textOf } from '../testing-client.ts'
import type { RunningReconcilers } from './start.ts'
import { patientReconcilers } from './testing.ts'

let controller: TestController
let reconcilers: RunningReconcilers
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'moorage-archive-'))
  controller = await startController({ plugins: { archives: [directoryArchive] } })
  reconcilers = patientReconcilers(controller, { info: () => {}, warn: () => {}, error: () => {} })
})
afterAll(async () => {
  await reconcilers.stop()
  await controller.stop()
  rmSync(folder, { recursive: true })
})

test('that an archive does not answer is told once, and so is that it does again', async () => {
  const { zone } = await makeGround(controller)
  const url = `file://${mkdtempSync(join(folder, 'a-'))}`
  const made = await controller.api.run('addImageStore', { name: 'shelf', url, zoneid: zone, provider: 'directory' })
  const id = textOf(made, 'id')
  const turns = async () => {
    for (let turn = 0; turn < 2; turn += 1) await reconcilers.runNow('archive-report')
    const told = await controller.api.list('listEvents', { resourceid: id, listall: true })
    const [row] = await controller.api.list('listImageStores', { id })
    const types = told.map((event) => textOf(event, 'type')).filter((type) => /ALERT|RECONNECT/.test(type))
    return { told: types.toSorted(), silent: row?.['unreachablesince'] !== undefined }
  }
  const { pathname } = new URL(url)
  expect(await turns()).toEqual({ told: [], silent: false })
  renameSync(pathname, `${pathname}-away`)
  expect(await turns()).toEqual({ told: ['IMAGE.STORE.ALERT'], silent: true })
  renameSync(`${pathname}-away`, pathname)
  expect(await turns()).toEqual({ told: ['IMAGE.STORE.ALERT', 'IMAGE.STORE.RECONNECT'], silent: false })
})
