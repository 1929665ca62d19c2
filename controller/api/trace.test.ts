import { trace as otel } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createLogger } from '../telemetry/logger.ts'
import { type Ground, makeGround, startController, type TestController } from '../testing.ts'
import { textOf } from '../testing-client.ts'

type Line = Readonly<Record<string, unknown>>

let controller: TestController
let ground: Ground
let vm: string
const lines: Line[] = []
// Written by the logger, one object a line.
const write = (line: string) => void lines.push(JSON.parse(line) as Line)

beforeAll(async () => {
  controller = await startController({ log: createLogger({ level: 'debug', node: 'here' }, { write }) })
  ground = await makeGround(controller)
  const { zone: zoneid, service: serviceofferingid, template: templateid } = ground
  vm = textOf(await controller.api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid }), 'id')
})
afterAll(() => controller.stop())

async function attach(name: string): Promise<string> {
  const { api, system } = controller
  const { zone: zoneid, offering: diskofferingid } = ground
  const volume = textOf(await api.run('createVolume', { zoneid, diskofferingid, size: 1, name }), 'id')
  const job = textOf(await api.ask('attachVolume', { id: volume, virtualmachineid: vm }), 'jobid')
  await system.jobs.ended(job, 30_000)
  return job
}

describe('log lines', () => {
  test('of an operation have its id, saga, step, node and trace, which is that of the request that asked for it', async () => {
    await controller.simulator.faults.arm({ method: 'array/access/expose', kind: 'error-before', code: 'BUSY' })
    await controller.simulator.faults.arm({ method: 'host/disks/attach', kind: 'error-before', code: 'INTERNAL' })
    lines.length = 0
    const operation = await attach('logged')
    const request = lines.find(({ command }) => command === 'attachVolume')
    const ours = lines.filter((line) => line['operation'] === operation)
    expect(ours.map(({ msg, step, state }) => ({ msg, step, state }))).toEqual([
      { msg: 'a step will be tried again', step: 'expose' },
      { msg: 'an operation ended', state: 'failed' },
    ])
    const all = { saga: 'volume-attach', node: 'here', trace: request?.['trace'], fence: expect.any(Number) as number } // A matcher has no type.
    for (const line of ours) expect(line).toMatchObject(all)
    expect(request?.['trace']).toMatch(/^[0-9a-f]{32}$/)
  })

  test('of a request have its id, which the caller gets, too, and no two have the same', async () => {
    lines.length = 0
    const asked = () => fetch(`${controller.url}?command=listZones`)
    const ids = [(await asked()).headers.get('x-request-id'), (await asked()).headers.get('x-request-id')]
    expect(lines.map(({ request }) => request)).toEqual(ids)
    expect(new Set(ids).size).toBe(2)
  })

  test('of a request that came with a traceparent are of that trace; what is none is not taken', async () => {
    lines.length = 0
    const id = '4bf92f3577b34da6a3ce929d0e0e4736'
    for (const traceparent of [`00-${id}-00f067aa0ba902b7-01`, `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, 'x']) {
      await fetch(`${controller.url}?command=listZones`, { headers: { traceparent } })
    }
    expect(lines.map(({ trace }) => trace === id)).toEqual([true, false, false])
    for (const { trace } of lines) expect(trace).toMatch(/^[0-9a-f]{32}$/)
  })
})

describe('with an OpenTelemetry SDK', () => {
  const exporter = new InMemorySpanExporter()
  beforeAll(() => {
    otel.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
  })
  afterEach(() => exporter.reset())
  afterAll(() => otel.disable())

  test('a request, its operation, the steps and the calls of plug-ins are spans, each below the one that made it', async () => {
    const operation = await attach('traced')
    await expect.poll(() => spanOf('volume-attach')).toBeDefined()
    const request = spanOf('attachVolume')
    const run = spanOf('volume-attach')
    const create = exporter.getFinishedSpans().find(({ name, parentSpanContext }) => {
      return name === 'create' && parentSpanContext?.spanId === run?.spanContext().spanId
    })
    const call = spanOf('simulator volumes.create')
    expect(below(run)).toBe(request?.spanContext().spanId)
    expect(below(call)).toBe(create?.spanContext().spanId)
    expect(run?.attributes).toMatchObject({ 'moorage.operation': operation, 'moorage.saga': 'volume-attach' })
    expect(call?.attributes).toMatchObject({ 'moorage.plugin': 'simulator', 'moorage.target': `pool:${ground.pool}` })
    const traces = new Set([request, run, create, call].map((span) => span?.spanContext().traceId))
    expect(traces.size).toBe(1)
  })

  test('what failed is marked with its code, and no text', async () => {
    await controller.simulator.faults.arm({ method: 'host/disks/attach', kind: 'error-before', code: 'INTERNAL' })
    await attach('failed')
    await expect.poll(() => spanOf('volume-attach')).toBeDefined()
    expect(spanOf('simulator disks.attach')?.status).toEqual({ code: 2, message: 'INTERNAL' })
    expect(spanOf('plug')?.status).toEqual({ code: 2, message: 'INTERNAL' })
    expect(spanOf('undo create')).toBeDefined()
    expect(exporter.getFinishedSpans().flatMap(({ events }) => events)).toEqual([])
  })

  function spanOf(wanted: string): ReadableSpan | undefined {
    return exporter.getFinishedSpans().find(({ name }) => name === wanted)
  }
})

function below(span: ReadableSpan | undefined): string | undefined {
  return span?.parentSpanContext?.spanId
}
