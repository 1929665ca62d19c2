import { join } from 'node:path'
import type { Call, Endpoint, StorageProvider } from '@moorage/contract'
import { loadOutside } from '../../controller/plugin-host/outside/load.ts'
import { readPluginSpec } from '../../controller/plugin-host/outside/spec.ts'
import { plugin } from '../../controller/plugin-host/outside/testing/misbehaving.ts'
import { type Bench, type BenchRow, percentile, timed } from './report.ts'

const CALLS = 20_000
const MODULE = join(import.meta.dirname, '../../controller/plugin-host/outside/testing/misbehaving.ts')
const ENDPOINT: Endpoint = { url: 'odd://well', settings: {}, owner: 'bench' }

/** What a process of its own adds to a call: the same method of the same plug-in, inside and outside, one at a time and 32. */
export const pluginCall: Bench = {
  name: 'plugin-call',
  about: `${CALLS} calls of a plug-in that answers at once, inside the controller and in a process of its own`,
  async run() {
    const log = { info: () => {}, warn: () => {} }
    const outside = await loadOutside(readPluginSpec(MODULE), { log })
    try {
      if (outside.plugin.kind !== 'storage') throw new Error('it is a storage plug-in')
      const [inside, beside] = [plugin.open(ENDPOINT), await outside.plugin.open(ENDPOINT)]
      const rows: BenchRow[] = []
      for (const atOnce of [1, 32]) {
        await measure(inside, atOnce)
        await measure(beside, atOnce)
        const [raw, there] = [await measure(inside, atOnce), await measure(beside, atOnce)]
        const note = `inside ${raw.perCall.toFixed(2)} us; p99 of one ${there.p99.toFixed(0)} us`
        const of = { bench: 'plugin-call', case: `outside, ${atOnce} at once`, unit: 'us a call' }
        rows.push({ ...of, value: there.perCall, ratio: there.perCall / raw.perCall, note })
      }
      return rows
    } finally {
      await outside.close()
    }
  },
}

async function measure(
  provider: StorageProvider,
  atOnce: number,
): Promise<{ readonly perCall: number; readonly p99: number }> {
  const signal = new AbortController().signal
  const call = (): Call => ({ key: 'bench/call', fence: 0, deadline: Date.now() + 60_000, signal })
  const times: number[] = []
  const worker = async () => {
    for (let each = 0; each < CALLS / atOnce; each += 1) {
      times.push(await timed(async () => provider.pools.report(call())))
    }
  }
  const ms = await timed(async () => Promise.all(Array.from({ length: atOnce }, worker)))
  return { perCall: (ms * 1000) / times.length, p99: percentile(times, 0.99) * 1000 }
}
