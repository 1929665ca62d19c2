import { randomUUID } from 'node:crypto'
import { wireClient, type RemoteCall } from '@moorage/wire'
import { type Call, PluginError } from '@moorage/contract'
import { until } from './process.ts'

const BOOT_MS = 90_000

/** A shell inside the guest of one VM, through the host daemon's operator method. */
export interface Guest {
  /** Runs a script; answers what it printed. Throws with its output when it does not end with 0. */
  sh(script: string, timeoutMs?: number): Promise<string>
  /** Name of the block device (`vdb`) that carries this serial; waits for it. */
  disk(serial: string): Promise<string>
}

/** A call of the lab's own, outside of any operation of the controller. */
export function labCall(withinMs: number, fence = 0): Call {
  return { key: `lab/${randomUUID()}`, deadline: Date.now() + withinMs, signal: AbortSignal.timeout(withinMs), fence }
}

/** The guest of `machine.vm`, a VM of the installation `owner`, on the host daemon that `access` reaches. */
export function guestOf(
  access: Parameters<typeof wireClient>[0],
  machine: { readonly vm: string; readonly owner: string },
): Guest {
  const remote = wireClient(access)
  let boot: Promise<void> | undefined
  const sh = async (script: string, timeoutMs = 60_000) => {
    await (boot ??= booted(remote, machine))
    return execute(remote, { ...machine, script, timeoutMs })
  }
  return {
    sh,
    disk: (serial) =>
      until(
        async () => {
          const found = await sh(
            // Quoted: the pattern stands for itself while there is no disk, and must not match one that comes meanwhile.
            `for d in /sys/block/*; do [ "$(cat "$d/serial" 2>/dev/null)" = ${serial} ] && echo "\${d##*/}"; done; true`,
          )
          return found.trim() === '' ? undefined : found.trim()
        },
        { what: `a disk with serial ${serial} in the guest`, withinMs: 20_000, everyMs: 50 },
      ),
  }
}

async function execute(
  remote: RemoteCall,
  order: { readonly vm: string; readonly owner: string; readonly script: string; readonly timeoutMs: number },
): Promise<string> {
  const done = await remote<Executed>('guest/exec', order, labCall(order.timeoutMs + 5_000))
  if (done.exitCode !== 0) throw new Error(`in the guest, exit ${done.exitCode}: ${done.stderr || done.stdout}`)
  return done.stdout
}

interface Executed {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Waits for the agent of a guest that still boots, which takes its time on a busy machine. Runs nothing that does anything. */
async function booted(remote: RemoteCall, machine: { readonly vm: string; readonly owner: string }): Promise<void> {
  const ask = async () => {
    await execute(remote, { ...machine, script: 'true', timeoutMs: 5_000 })
    return true
  }
  const unlessBooting = (error: unknown): undefined => {
    if (!(error instanceof PluginError) || error.code !== 'UNAVAILABLE') throw error
  }
  const how = { what: 'the agent in the guest', withinMs: BOOT_MS, everyMs: 200 }
  await until(() => ask().catch(unlessBooting), how)
}

/** Reads per second that the guest got from a disk, sampled while it read as fast as it could. */
export interface Rates {
  /** One number per sample of about a second. */
  readonly perSecond: readonly number[]
}

/**
 * Reads a file of the guest over and over, 4 KiB at a time and past every cache, for `seconds`; counts at the block
 * device, which Moorage does not own.
 */
export async function readRates(
  guest: Guest,
  load: { readonly device: string; readonly file: string; readonly seconds: number },
): Promise<Rates> {
  const script = [
    // Two readers: one alone would wait for the emulated processor between two requests.
    `setsid sh -c 'reader() { while :; do dd if=${load.file} of=/dev/null bs=4k iflag=direct 2>/dev/null; done; }; reader & reader' & load=$!`,
    `i=0; while [ $i -le ${load.seconds} ]; do`,
    `  read up rest < /proc/uptime; read reads rest < /sys/block/${load.device}/stat; echo "$up $reads"`,
    '  sleep 1; i=$((i+1))',
    'done',
    'kill -9 -- -$load; while kill -0 -- -$load 2>/dev/null; do usleep 20000; done',
  ].join('\n')
  const samples = (await guest.sh(script, (load.seconds + 30) * 1000))
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number))
  const perSecond = samples.slice(1).map(([up = 0, reads = 0], index) => {
    const [upBefore = 0, readsBefore = 0] = samples[index] ?? []
    return (reads - readsBefore) / (up - upBefore)
  })
  return { perSecond }
}

/** Sum of numbers. */
export function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, number) => all + number, 0)
}

/** Mean of numbers. */
export function mean(numbers: readonly number[]): number {
  return sum(numbers) / numbers.length
}

/** How far a measured value lies from what was asked, in per cent of that. */
export function deviation(measured: number, asked: number): number {
  return (Math.abs(measured - asked) / asked) * 100
}
