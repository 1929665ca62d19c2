import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type TestClient, textOf } from '../../testing-client.ts'

const someText: unknown = expect.any(String)
const someNumber: unknown = expect.any(Number)
const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern)
const containing = (part: string): unknown => expect.stringContaining(part)

let controller: TestController
let ground: Ground
let vm: string
let stranger: TestClient

beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
  stranger = await controller.user()
  const { zone, service, template } = ground
  const made = await controller.api.run('deployVirtualMachine', {
    zoneid: zone,
    serviceofferingid: service,
    templateid: template,
  })
  vm = textOf(made, 'id')
})
afterEach(() => controller.simulator.faults.clear())
afterAll(() => controller.stop())

async function volume(name: string): Promise<string> {
  const made = await controller.api.run('createVolume', {
    zoneid: ground.zone,
    diskofferingid: ground.offering,
    size: 1,
    name,
  })
  return textOf(made, 'id')
}

describe('a job', () => {
  test('tells how it stands, flat and in the types of CloudStack, while it runs and once it has succeeded', async () => {
    const { api, simulator } = controller
    const id = await volume('slow')
    await simulator.faults.arm({ method: 'array/volumes/create', kind: 'hold-before' })
    const { jobid } = await api.ask('attachVolume', { id, virtualmachineid: vm })
    await simulator.faults.held('array/volumes/create')
    const pending = await api.ask('queryAsyncJobResult', { jobId: String(jobid) })
    expect(pending).toEqual({
      jobid,
      accountid: someText,
      account: 'admin',
      domainid: someText,
      domainpath: 'ROOT',
      userid: someText,
      cmd: matching(/\.AttachVolumeCmd$/),
      jobstatus: 0,
      jobprocstatus: 0,
      jobresultcode: 0,
      jobinstancetype: 'Volume',
      jobinstanceid: id,
      created: someText,
    })
    const [listed] = await api.list('listVolumes', { id })
    expect(listed).toMatchObject({ state: 'Creating', jobid, jobstatus: 0 })
    await simulator.faults.clear()
    await controller.system.jobs.ended(String(jobid), 10_000)
    const done = await api.ask('queryAsyncJobResult', { JobID: String(jobid) })
    expect(done).toMatchObject({
      jobstatus: 1,
      jobresultcode: 0,
      jobresulttype: 'object',
      completed: someText,
    })
    expect(done['jobresult']).toMatchObject({ volume: { id, state: 'Ready', virtualmachineid: vm } })
  })

  test('that failed answers 200, with the code and the text in its result, and nothing of the inside', async () => {
    const { api, simulator } = controller
    const id = await volume('failing')
    await simulator.faults.arm({ method: 'array/volumes/create', kind: 'error-before', code: 'INTERNAL' })
    const { jobid } = await api.ask('attachVolume', { id, virtualmachineid: vm })
    await controller.system.jobs.ended(String(jobid), 10_000)
    const { status, answer } = await api.send('queryAsyncJobResult', { jobid: String(jobid) })
    expect(status).toBe(200)
    expect(answer).toMatchObject({ jobstatus: 2, jobresultcode: 530 })
    expect(answer['jobresult']).toEqual({ errorcode: 530, errortext: someText })
    expect(JSON.stringify(answer)).not.toMatch(/INTERNAL|simulator|127\.0\.0\.1/)
    const [operation] = await api.list('listOperations', { id: String(jobid) })
    expect(operation).toMatchObject({
      state: 'failed',
      errorcode: 530,
      internalerror: containing('INTERNAL'),
    })
    const jobs = await api.list('listAsyncJobs')
    expect(jobs.find((job) => job['jobid'] === jobid)).toMatchObject({ jobstatus: 2, jobresult: { errorcode: 530 } })
  })

  test('is nothing to others', async () => {
    const [job] = await controller.api.list('listAsyncJobs')
    const jobid = textOf(job ?? {}, 'jobid')
    await expect(stranger.ask('queryAsyncJobResult', { jobid })).rejects.toThrow(/entity does not exist/)
    await expect(stranger.ask('abortOperation', { id: jobid })).rejects.toThrow(/entity does not exist/)
    expect(await stranger.list('listAsyncJobs', { listall: true })).toEqual([])
    expect(await stranger.list('listOperations')).toEqual([])
  })
})

describe('an operation', () => {
  test('waits behind another and says so, and can be aborted', async () => {
    const { api, simulator } = controller
    const id = await volume('queued')
    await simulator.faults.arm({ method: 'array/volumes/create', kind: 'hold-before' })
    const first = textOf(await api.ask('attachVolume', { id, virtualmachineid: vm }), 'jobid')
    await simulator.faults.held('array/volumes/create')
    const second = textOf(await api.ask('detachVolume', { id }), 'jobid')
    const [waiting] = await api.list('listOperations', { id: second })
    expect(waiting).toMatchObject({ state: 'queued', command: 'detachVolume', subjecttype: 'volume', subjectid: id })
    expect(waiting?.['waitsfor']).toContainEqual({
      resource: `volume:${id}`,
      operation: first,
      command: 'attachVolume',
      holds: true,
    })
    const open = await api.list('listOperations', { state: 'open', subjectid: id })
    expect(open.map((one) => one['id'])).toEqual([second, first])
    expect(await api.run('abortOperation', { id: second })).toMatchObject({ id: second, abortasked: true })
    await simulator.faults.clear()
    for (const operation of [first, second]) await controller.system.jobs.ended(operation, 10_000)
    const [aborted] = await api.list('listOperations', { id: second })
    expect(aborted).toMatchObject({ state: 'aborted', errorcode: 530 })
    expect(await api.ask('queryAsyncJobResult', { jobid: first })).toMatchObject({ jobstatus: 1 })
    expect(await api.ask('queryAsyncJobResult', { jobid: second })).toMatchObject({ jobstatus: 2 })
    await expect(api.run('abortOperation', { id: second })).rejects.toThrow(/nothing to abort/)
    await expect(api.run('retryOperation', { id: first })).rejects.toThrow(
      /nothing to retry: the operation has succeeded/,
    )
  })

  test('that will try again says when and why, and does so at once when asked', async () => {
    const { api, simulator } = controller
    const id = await volume('patient')
    await simulator.faults.arm({ method: 'array/volumes/create', kind: 'error-before', code: 'BUSY', count: 1000 })
    const job = textOf(await api.ask('attachVolume', { id, virtualmachineid: vm }), 'jobid')
    const waiting = await vi.waitUntil(
      async () => (await api.list('listOperations', { id: job })).find((one) => Number(one['attempt']) > 3),
      { timeout: 10_000 },
    )
    expect(waiting).toMatchObject({
      state: 'running',
      step: someText,
      retryat: someText,
      retryreason: matching(/BUSY/),
    })
    await simulator.faults.clear()
    await api.run('retryOperation', { id: job })
    await controller.system.jobs.ended(job, 10_000)
    const [done] = await api.list('listOperations', { id: job })
    expect(done).toMatchObject({ state: 'succeeded' })
    expect(done).not.toHaveProperty('retryreason')
  })

  test('keeps a log of every call of a plug-in, of which tenants see no more than what was asked and how it went', async () => {
    const { api } = controller
    const user = await controller.user()
    const disk = { zoneid: ground.zone, diskofferingid: ground.offering, size: 1, name: 'logged' }
    const own = textOf(await user.run('createVolume', disk), 'id')
    const { service, zone } = ground
    const forAll = {
      name: 'all',
      displaytext: 'all',
      url: 'guest',
      format: 'RAW',
      hypervisor: 'Simulator',
      ispublic: true,
    }
    const template = await api.run('registerTemplate', { ...forAll, zoneid: zone })
    const machine = await user.run('deployVirtualMachine', {
      zoneid: zone,
      serviceofferingid: service,
      templateid: textOf(template, 'id'),
    })
    const job = textOf(await user.ask('attachVolume', { id: own, virtualmachineid: textOf(machine, 'id') }), 'jobid')
    await controller.system.jobs.ended(job, 10_000)
    const log = await user.list('listOperationLogs', { id: job })
    expect(log.map((entry) => entry['kind'])).toEqual(
      expect.arrayContaining(['submitted', 'claimed', 'step done', 'call', 'ended']),
    )
    expect(log.find((entry) => entry['method'] === 'volumes.create')).toEqual({
      at: someText,
      kind: 'call',
      step: someText,
      target: `pool:${ground.pool}`,
      method: 'volumes.create',
      ms: someNumber,
      outcome: 'ok',
    })
    const whole = await api.list('listOperationLogs', { id: job })
    expect(whole.find((entry) => entry['method'] === 'volumes.create')).toMatchObject({
      fence: someNumber,
      detail: { key: someText },
    })
    expect(JSON.stringify(whole)).not.toContain(controller.simulator.password)
  })
})
