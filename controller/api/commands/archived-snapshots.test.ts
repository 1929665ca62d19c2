import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { directoryArchive } from '@moorage/archive-directory'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addArchive, type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
let folder: string
let vm: string
let volume: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'moorage-archives-'))
  controller = await startController({ plugins: { archives: [directoryArchive] } })
  ground = await makeGround(controller)
  const { api } = controller
  const { zone: zoneid, service: serviceofferingid, template: templateid, offering: diskofferingid } = ground
  await addArchive(controller, { zone: ground.zone, folder })
  vm = textOf(await api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid }), 'id')
  const disk = { name: 'disk', zoneid, diskofferingid, size: 1, virtualmachineid: vm }
  volume = textOf(await api.run('createVolume', disk), 'id')
})
afterAll(async () => {
  await controller.stop()
  rmSync(folder, { recursive: true })
})

async function copiesOf(id: string): Promise<unknown> {
  const [found] = await controller.api.list('listSnapshots', { id })
  return found?.['copies']
}

test('a snapshot that is to be in secondary storage is taken and archived by one job, while its VM runs', async () => {
  const { api } = controller
  const made = await api.run('createSnapshot', { volumeid: volume, name: 'far', locationtype: 'secondary' })
  const id = textOf(made, 'id')
  expect(made).toMatchObject({ state: 'BackedUp', locationtype: 'SECONDARY', datastorename: 'vault', revertable: true })
  expect(await api.list('listSnapshots', { name: 'far', locationtype: 'secondary' })).toHaveLength(1)
  expect(await api.list('listSnapshots', { name: 'far', locationtype: 'primary' })).toEqual([])
  await api.run('deleteSnapshot', { id })
  expect(await api.list('listSnapshots', { id })).toEqual([])
})

test('with asyncbackup the job ends once it is taken, and it is archived all the same', async () => {
  const { api, simulator } = controller
  await simulator.faults.arm({ method: 'mover/jobs/submit', kind: 'hold-before' })
  const asked = { volumeid: volume, locationtype: 'secondary', asyncbackup: true }
  const id = textOf(await api.run('createSnapshot', asked), 'id')
  const held = await simulator.faults.held('mover/jobs/submit')
  const [found] = await api.list('listSnapshots', { id })
  expect(found).toMatchObject({ state: 'BackingUp', locationtype: 'PRIMARY', jobstatus: 0 })
  await simulator.faults.release(held.id)
  // Waits for its turn behind what archives it.
  await api.run('deleteSnapshot', { id })
  const events = await api.list('listEvents', { resourceid: id, type: 'SNAPSHOT.ARCHIVE', listall: true })
  expect(events.map(({ description }) => description)).toContain(`Successfully completed archiving snapshot ${id}`)
})

test('archiveSnapshot keeps the copy on the array on request, and takes it away on another', async () => {
  const { api } = controller
  const id = textOf(await api.run('createSnapshot', { volumeid: volume, name: 'kept' }), 'id')
  const archived = await api.run('archiveSnapshot', { id, keepprimary: true })
  expect(archived).toMatchObject({ locationtype: 'PRIMARY', datastoretype: 'Primary' })
  const [primary, secondary] = [
    { locationtype: 'PRIMARY', base: false },
    { locationtype: 'SECONDARY', base: false, state: 'present' },
  ]
  expect(archived['copies']).toMatchObject([primary, secondary])
  expect(await api.refuses('archiveSnapshot', { id, keepprimary: true })).toMatch(/^431 .*in secondary storage already/)
  await api.run('archiveSnapshot', { id })
  expect(await copiesOf(id)).toMatchObject([secondary])
  expect(await api.refuses('archiveSnapshot', { id })).toMatch(/^431 .*in secondary storage already/)

  const from = { name: 'copy', snapshotid: id }
  expect(await api.refuses('createVolume', { ...from, virtualmachineid: vm })).toMatch(
    /^431 .*virtualmachineid: .*first/,
  )
  expect(await api.run('createVolume', from)).toMatchObject({ state: 'Ready', snapshotid: id })
  expect(await api.refuses('revertSnapshot', { id })).toMatch(/^431 .*in secondary storage only/)
  const [store] = await api.list('listImageStores', { name: 'vault' })
  expect(await api.refuses('deleteImageStore', { id: textOf(store ?? {}, 'id') })).toMatch(/holds 1 snapshots/)
  await api.run('deleteSnapshot', { id })
})
