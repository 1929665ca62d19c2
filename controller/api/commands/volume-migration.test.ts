import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ground, makeGround, poolParams, startController, type TestController } from '../../testing.ts'
import { ApiRefusal, type Asked, textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
let other: string
let vm: string
const said: string[] = []

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  other = await newPool('other')
  vm = textOf(await controller.api.run('deployVirtualMachine', deployed()), 'id')
})
afterAll(() => controller.stop())

function deployed(): Asked {
  const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
  return { zoneid, serviceofferingid, templateid }
}

async function newPool(name: string, more: Asked = {}, zoneid = ground.zone): Promise<string> {
  const params = { ...poolParams(controller.simulator, `array-${name}`), name, zoneid, ...more }
  return textOf(await controller.api.run('createStoragePool', params), 'id')
}

/** A volume of the VM, which runs. */
async function disk(diskofferingid = ground.offering): Promise<string> {
  const { api } = controller
  const asked = { zoneid: ground.zone, diskofferingid, size: 1, virtualmachineid: vm }
  return textOf(await api.run('createVolume', asked), 'id')
}

/** The pool where it lives, and the other one. */
async function poolsOf(id: string): Promise<{ readonly here: string; readonly there: string }> {
  const [volume] = await controller.api.list('listVolumes', { id })
  const here = textOf(volume ?? {}, 'storageid')
  return { here, there: here === other ? ground.pool : other }
}

async function refuse(what: string, params: Asked): Promise<void> {
  try {
    await controller.api.run('migrateVolume', params)
  } catch (error) {
    if (!(error instanceof ApiRefusal)) throw error
    const words = error.message
      .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<id>')
      .replace(/ \(jobstatus \d\)$/, '')
    said.push(what, `  ${words}`, '')
    return
  }
  throw new Error(`${what} was not refused`)
}

test('a volume of a running machine moves live: same id, attachment and limits; what it left is in the recycle bin', async () => {
  const { api } = controller
  const id = await disk()
  const { here, there } = await poolsOf(id)
  const [before] = await api.list('listVolumes', { id })
  const moved = await api.run('migrateVolume', { volumeid: id, storageid: there, livemigrate: true })
  const { deviceid, virtualmachineid, miniops, maxiops } = before ?? {}
  expect(moved).toMatchObject({ id, state: 'Ready', storageid: there, deviceid, virtualmachineid, miniops, maxiops })
  const events = await api.list('listEvents', { resourceid: id, type: 'VOLUME.MIGRATE' })
  expect(new Set(events.map(({ state }) => state))).toEqual(new Set(['Completed', 'Scheduled']))
  const [finding] = await api.list('listCensusFindings', { state: 'recycled' })
  expect(finding).toMatchObject({ class: 'duplicated-volume', object: `volume:${id}`, where: `pool:${here}` })
  const [pool] = await api.list('listStoragePools', { id: here })
  expect(pool).toMatchObject({ disksizeallocated: 1024 ** 3 })
  await refuse('back to where an earlier copy of it is', { volumeid: id, storageid: here, livemigrate: true })
})

test('every refusal reads as a sentence: its words are checked in', async () => {
  const { api } = controller
  const id = await disk()
  const { here, there } = await poolsOf(id)
  await refuse('a volume of a running virtual machine, without livemigrate', { volumeid: id, storageid: there })
  await refuse('to where it lives', { volumeid: id, storageid: here, livemigrate: true })
  const away = await makeGround(controller, 'two')
  await refuse('to another zone', { volumeid: id, storageid: away.pool, livemigrate: true })
  const offering = { volumeid: id, storageid: there, newdiskofferingid: ground.offering, livemigrate: true }
  await refuse('with another disk offering', offering)
  const full = await newPool('full', { capacitybytes: 1024 ** 2 })
  await refuse('to a pool that is too small', { volumeid: id, storageid: full, livemigrate: true })
  const snapshot = textOf(await api.run('createSnapshot', { volumeid: id }), 'id')
  await refuse('a volume with snapshots', { volumeid: id, storageid: there, livemigrate: true })
  await api.run('deleteSnapshot', { id: snapshot })
  const nowhere = { zoneid: ground.zone, diskofferingid: ground.offering, size: 1 }
  const fresh = textOf(await api.run('createVolume', nowhere), 'id')
  await refuse('a volume that lives nowhere', { volumeid: fresh, storageid: there })
  const { faults } = controller.simulator
  await faults.arm({ method: 'host/mirror/copy', kind: 'error-before', code: 'DAMAGED' })
  await refuse('a volume whose copy differs', { volumeid: id, storageid: there, livemigrate: true })
  await faults.arm({ method: 'host/mirror/switch', kind: 'error-before', code: 'CONFLICT' })
  await refuse('a volume whose copy failed in the end', { volumeid: id, storageid: there, livemigrate: true })
  await expect(said.join('\n')).toMatchFileSnapshot('migration-refusals.txt')
})
