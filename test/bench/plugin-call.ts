import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Call, Endpoint, StorageProvider } from '@moorage/contract'
import { loadOutside } from '../../controller/plugin-host/outside/load.ts'
import { readPluginSpec } from '../../controller/plugin-host/outside/spec.ts'
import { plugin } from '../../controller/plugin-host/outside/testing/misbehaving.ts'
import { type Bench, type BenchRow, percentile, timed } from './report.ts'

const CALLS = 20_000
const MODULE = join(import.meta.dirname, '../../controller/plugin-host/outside/testing/misbehaving.ts')
const ENDPOINT: Endpoint = { url: 'odd://well', settings: {}, owner: 'bench' }

/** A process that sends back what it gets, over the kind of channel that a plug-in has: what the boundary itself costs. */
const ECHO = "const s = new (require('node:net').Socket)({ fd: 3 }); s.on('data', (bytes) => s.write(bytes))"
/** Bytes of a request and of an answer, as they are. */
const ECHOED = Buffer.alloc(200)

/**
 * What a process of its own adds to a call: the same method of the same plug-in, inside and outside, one at a time and 32;
 * beside it bytes that another process sends back, without any meaning.
 */
export const pluginCall: Bench = {
  name: 'plugin-call',
  about: `${CALLS} calls of a plug-in that answers at once, inside the controller and in a process of its own`,
  async run() {
    const log = { info: () => {}, warn: () => {} }
    const outside = await loadOutside(readPluginSpec(MODULE), { log })
    const echo = await startEcho()
    try {
      if (outside.plugin.kind !== 'storage') throw new Error('it is a storage plug-in')
      const [inside, beside] = [plugin.open(ENDPOINT), await outside.plugin.open(ENDPOINT)]
      const rows: BenchRow[] = []
      for (const atOnce of [1, 32]) {
        const calls = [report(inside), echo.send, report(beside)]
        for (const call of calls) await measure(call, atOnce)
        const [raw, bytes, there] = [
          await measure(report(inside), atOnce),
          await measure(echo.send, atOnce),
          await measure(report(beside), atOnce),
        ]
        const note = `inside ${raw.perCall.toFixed(2)} us, bytes sent back ${bytes.perCall.toFixed(0)} us; p99 of one ${there.p99.toFixed(0)} us`
        const of = { bench: 'plugin-call', case: `outside, ${atOnce} at once`, unit: 'us a call' }
        rows.push({ ...of, value: there.perCall, ratio: there.perCall / bytes.perCall, note })
      }
      return rows
    } finally {
      await outside.close()
      await echo.close()
    }
  },
}

function report(provider: StorageProvider): () => Promise<unknown> {
  const signal = new AbortController().signal
  const call = (): Call => ({ key: 'bench/call', fence: 0, deadline: Date.now() + 60_000, signal })
  return () => provider.pools.report(call())
}

/** Sends bytes to a process and waits until as many have come back. */
async function startEcho() {
  const child = spawn(process.execPath, ['-e', ECHO], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] })
  const channel = child.stdio[3] as Duplex // A pipe above the third descriptor is a socket pair.
  const waiting: (() => void)[] = []
  let come = 0
  channel.on('data', (bytes: Buffer) => {
    for (come += bytes.length; come >= ECHOED.length; come -= ECHOED.length) waiting.shift()?.()
  })
  const send = () =>
    new Promise<void>((resolve) => {
      waiting.push(resolve)
      channel.write(ECHOED)
    })
  await send()
  const close = async () => {
    child.kill()
    await once(child, 'exit')
  }
  return { send, close }
}

async function measure(
  call: () => Promise<unknown>,
  atOnce: number,
): Promise<{ readonly perCall: number; readonly p99: number }> {
  const times: number[] = []
  const worker = async () => {
    for (let each = 0; each < CALLS / atOnce; each += 1) times.push(await timed(call))
  }
  const ms = await timed(async () => Promise.all(Array.from({ length: atOnce }, worker)))
  return { perCall: (ms * 1000) / times.length, p99: percentile(times, 0.99) * 1000 }
}
