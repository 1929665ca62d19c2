import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '@moorage/controller/testing.ts'
import { type ApiClient, createClient, type Progress } from './index.ts'

let controller: TestController
let ground: Ground
let client: ApiClient

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  client = createClient({ url: controller.url, keys: controller.keys })
})
afterAll(() => controller.stop())

async function newVolume(name: string) {
  const { zone: zoneid, offering: diskofferingid } = ground
  return await client.run('createVolume', { zoneid, diskofferingid, size: 1, name })
}

test('commands run to the end of their job, with typed parameters and answers', async () => {
  const volume = await newVolume('typed')
  const name: string | undefined = volume.name
  expect(name).toBe('typed')
  const { job, id } = await client.submit('destroyVolume', { id: volume.id ?? '', expunge: true })
  // Nothing is made here.
  expect(id).toBeUndefined()
  expect(Object.keys(await client.job(job))).not.toEqual([])
})

test('whoever waits hears of the step at work, and can stop waiting', async () => {
  const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
  await controller.simulator.faults.arm({ method: 'host/vms/start', kind: 'hold-before' })
  const heard: Progress[] = []
  const left = new AbortController()
  const params = { zoneid, serviceofferingid, templateid }
  const progress = (one: Progress) => {
    heard.push(one)
    if (one.step === 'start') left.abort(new Error('no longer'))
  }
  await expect(client.run('deployVirtualMachine', params, { progress, signal: left.signal })).rejects.toThrow(
    'no longer',
  )
  expect(heard.at(-1)).toMatchObject({ state: 'running', step: 'start' })
  await controller.simulator.faults.clear()
  expect(await client.job(heard[0]?.job ?? '')).toMatchObject({ virtualmachine: { state: 'Running' } })
})

test('lists are read page by page, as far as they are needed', async () => {
  const names = Array.from({ length: 5 }, (_, n) => `listed-${n}`)
  for (const name of names) await newVolume(name)
  const found: string[] = []
  for await (const { name = '' } of client.list('listVolumes', { keyword: 'listed-', pagesize: 2 })) found.push(name)
  expect(found.toSorted()).toEqual(names)
  const second: string[] = []
  const page = client.list('listVolumes', { keyword: 'listed-', pagesize: 2, page: 2 })
  for await (const { name = '' } of page) second.push(name)
  expect(second).toEqual(found.slice(2, 4))
})

test('what is refused is an error with its code and the id of the request; so is what is no API', async () => {
  const refused = client.run('createZone', { name: 'zone-one', networktype: 'Basic' })
  await expect(refused).rejects.toMatchObject({ name: 'ApiError', code: 431, request: expect.any(String) as string }) // A matcher has no type.
  const nobody = createClient({ url: controller.url })
  await expect(nobody.run('createZone', { name: 'x', networktype: 'Basic' })).rejects.toMatchObject({ code: 401 })
  const elsewhere = createClient({ url: controller.url.replace('/client/api', '/') })
  await expect(elsewhere.list('listZones').next()).rejects.toThrow('is no API')
})
