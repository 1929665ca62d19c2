import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { ApiRefusal, type Asked, textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
const said: string[] = []

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
})
afterAll(() => controller.stop())

/** Asks for what must be refused, at once or by its job, and notes the words; ids are left out, as they differ. */
async function refuse(command: string, params: Asked, offering: Asked = {}): Promise<void> {
  const asked = [
    ...Object.entries(offering).map(([name, value]) => [`offering.${name}`, value] as const),
    ...Object.entries(params),
  ].filter(([name]) => !UNSAID.has(name))
  try {
    await controller.api.run(command, params)
  } catch (error) {
    if (!(error instanceof ApiRefusal)) throw error
    const words = error.message
      .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<id>')
      .replace(/ \(jobstatus \d\)$/, '')
    said.push(`${command} ${asked.map(([name, value]) => `${name}=${value}`).join(' ')}`, `  ${words}`, '')
    return
  }
  throw new Error(`${command} was not refused: ${JSON.stringify([params, said.slice(-3)])}`)
}

const UNSAID = new Set(['name', 'displaytext', 'zoneid', 'customized', 'id', 'diskofferingid', 'virtualmachineid'])

let offerings = 0
function terms(more: Asked): Asked {
  const name = `offering-${(offerings += 1)}`
  return { name, displaytext: name, customized: true, ...more }
}

async function sold(more: Asked): Promise<string> {
  return textOf(await controller.api.run('createDiskOffering', terms(more)), 'id')
}

async function offeringsRefused(): Promise<void> {
  const asked: readonly Asked[] = [
    { miniops: 100, iopsreadrate: 50 },
    { miniops: 300, maxiops: 200 },
    { maxiops: 300, burstiops: 200 },
    { miniops: 300, burstiops: 200 },
    { maxiops: 100, burstseconds: 5 },
    { iopsreadrate: 100, iopsreadratemax: 50 },
    { iopsreadrate: 100, iopsreadratemaxlength: 5 },
    { customizediops: true, iopsreadrate: 100 },
    { customizediops: true, maxiopspergb: 10 },
    { maxiops: 100, maxiopspergb: 10 },
    { lowestmaxiops: 100 },
    { maxiopspergb: 10, lowestmaxiops: 300, highestmaxiops: 200 },
    { miniopspergb: 10, maxiops: 1000 },
    { qostier: 'any' },
    { qostier: 'hypervisor', miniops: 100 },
    { qostier: 'hypervisor', miniopspergb: 10 },
    { maxiopspergb: 0 },
    { iosize: 100 },
  ]
  for (const one of asked) await refuse('createDiskOffering', terms(one))
}

async function volumesRefused(): Promise<void> {
  const volume = async (offering: Asked, more: Asked) => {
    const diskofferingid = await sold(offering)
    await refuse('createVolume', { zoneid: ground.zone, diskofferingid, size: 1, ...more }, offering)
  }
  const fixed = { miniops: 100, maxiops: 200 }
  await volume(fixed, { miniops: 300 })
  await volume(fixed, { maxiops: 300 })
  await volume(fixed, { burstiops: 300 })
  await volume({ maxiopspergb: 100 }, { maxiops: 300 })
  await volume({ customizediops: true }, { miniops: 300, maxiops: 200 })
  await volume({ customizediops: true, burstiops: 500 }, { maxiops: 600 })
}

async function changesRefused(): Promise<void> {
  const { zone: zoneid, service: serviceofferingid, template: templateid, offering } = ground
  const vm = await controller.api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid })
  const virtualmachineid = textOf(vm, 'id')
  const place = { zoneid, size: 1, virtualmachineid }
  const id = textOf(await controller.api.run('createVolume', { ...place, diskofferingid: offering }), 'id')
  const change = async (more: Asked, asked: Asked = {}) =>
    refuse('changeOfferingForVolume', { id, diskofferingid: await sold(more), ...asked }, more)
  await refuse('resizeVolume', { id })
  await refuse('resizeVolume', { id, miniops: 500 })
  await change({ tags: 'gold,near' })
  await change({ maxiops: 300_000 })
  await change({ miniops: 10, maxiops: 100 })
  await change({ iopsreadrate: 5 })
  await change({ qostier: 'any', maxiops: 5 })
  await change({ miniops: 150_000 })
  await change({ maxiops: 500 }, { maxiops: 600 })
  await controller.api.run('resizeVolume', { id, size: 3 })
  await change({ disksize: 2, customized: false })
  const { simulator } = controller
  await simulator.faults.arm({ method: 'array/qos/apply', kind: 'lie' })
  await change({ miniops: 100, maxiops: 2000 })
  await simulator.faults.arm({ method: 'array/qos/apply', kind: 'error-before', code: 'INTERNAL' })
  await change({ miniops: 100, maxiops: 2000 })
  await simulator.faults.arm({ method: 'host/throttle/apply', kind: 'error-before', code: 'INTERNAL' })
  await change({ iopsreadrate: 100 })
}

test('every refusal about QoS reads as a sentence that a tenant understands: its words are checked in', async () => {
  await offeringsRefused()
  await volumesRefused()
  await changesRefused()
  await expect(said.join('\n')).toMatchFileSnapshot('qos-refusals.txt')
})
