import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text, type Api } from '../../lab/api.ts'
import { stopDaemon } from '../../lab/process.ts'
import { controllerProcess } from '../support/controller.ts'
import { type Bench, type BenchRow, percentile, timed } from './report.ts'

const CLIENTS = [1, 8, 32] as const
const SECONDS = 8

/** Control operations per second: create, attach, detach, delete, each an operation of its own, over the wire. */
export const operations: Bench = {
  name: 'operations',
  about: `control operations per second on the simulator, ${SECONDS} s each`,
  async run() {
    const parent = mkdtempSync(join(tmpdir(), 'moorage-bench-'))
    const controller = await controllerProcess({ parent, args: ['--seed', 'simulator'] })
    try {
      const ground = await groundOf(controller.api)
      const rows: BenchRow[] = []
      for (const clients of CLIENTS) rows.push(await measure(controller.api, ground, clients))
      return rows
    } finally {
      await controller.stop()
      await stopDaemon(join(controller.dir, 'simulator'), 10_000)
      rmSync(parent, { recursive: true, force: true })
    }
  },
}

interface Ground {
  readonly zone: string
  readonly offering: string
  readonly vms: readonly string[]
}

async function measure(api: Api, ground: Ground, clients: number): Promise<BenchRow> {
  const until = performance.now() + SECONDS * 1000
  const lives: number[] = []
  const began = performance.now()
  const client = async (index: number): Promise<void> => {
    while (performance.now() < until) lives.push(await timed(() => life(api, ground, index)))
  }
  await Promise.all(Array.from({ length: clients }, (_, index) => client(index)))
  const seconds = (performance.now() - began) / 1000
  return {
    bench: 'operations',
    case: `${clients} clients`,
    value: (lives.length * 4) / seconds,
    unit: 'operations/s',
    note: `a life of four: p50 ${percentile(lives, 0.5).toFixed(0)} ms, p99 ${percentile(lives, 0.99).toFixed(0)} ms`,
  }
}

async function life(api: Api, ground: Ground, index: number): Promise<void> {
  const volume = await api.run('createVolume', { name: 'bench', zoneid: ground.zone, diskofferingid: ground.offering })
  const id = text(volume, 'id')
  await api.run('attachVolume', { id, virtualmachineid: ground.vms[index % ground.vms.length] })
  await api.run('detachVolume', { id })
  await api.run('destroyVolume', { id, expunge: true })
}

async function groundOf(api: Api): Promise<Ground> {
  const first = async (command: string, params = {}) => text((await api.list(command, params))[0] ?? {}, 'id')
  const zone = await first('listZones')
  const from = { zoneid: zone, serviceofferingid: await first('listServiceOfferings') }
  const templateid = await first('listTemplates', { templatefilter: 'all' })
  const made = await api.run('createDiskOffering', {
    name: 'bench',
    displaytext: 'bench',
    disksize: 1,
    miniops: 50,
    maxiops: 1000,
  })
  const vms = await Promise.all(
    Array.from({ length: 32 }, async (_, index) =>
      text(await api.run('deployVirtualMachine', { ...from, templateid, name: `bench-${index}` }), 'id'),
    ),
  )
  return { zone, offering: text(made, 'id'), vms }
}
