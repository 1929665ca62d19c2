import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Connection } from '@moorage/contract'
import { openPlan } from './block-nodes.ts'
import { pause } from './deadline.ts'
import type { DiskNames } from './names.ts'

/** Two connections to what must hold the same bytes. */
export interface Pair {
  readonly source: Connection
  readonly target: Connection
  readonly bytes: number
}

/** How far a comparison is. */
export type Compared =
  | { readonly state: 'comparing'; readonly doneBytes: number }
  | { readonly state: 'same' }
  | { readonly state: 'different'; readonly offset: number }
  | { readonly state: 'failed'; readonly why: string }

/** Read by one process at most: a process that outlives this daemon ends soon. */
const RANGE_BYTES = 1024 ** 3
const RANGE_SECONDS = 900
/** How far is passed over where two sides differ, at first; each time that it is looked at again, a `STEPS`th. */
const STEP_BYTES = 64 * 1024 ** 2
const STEPS = 32
/** The smallest piece: if it stays different as often as it is looked at, no write is on its way there. */
const SPOT_BYTES = 64 * 1024
const SPOT_LOOKS = 50
const SPOT_PAUSE_MS = 20

/** Comparisons under way or done, by name. A daemon that is started anew knows of none, and compares anew. */
export class Comparisons {
  readonly #folder: string
  readonly #all = new Map<string, { compared: Compared; readonly stop: AbortController }>()

  /** `folder`: where files may be made for a moment. */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** Begins a comparison, or tells how far the one of that name is. */
  look(name: string, pair: Pair): Compared {
    const known = this.#all.get(name)
    if (known) return known.compared
    const comparison: { compared: Compared; readonly stop: AbortController } = {
      compared: { state: 'comparing', doneBytes: 0 },
      stop: new AbortController(),
    }
    this.#all.set(name, comparison)
    void compare({ ...pair, folder: this.#folder }, comparison.stop.signal, (doneBytes) => {
      comparison.compared = { state: 'comparing', doneBytes }
    }).then(
      (end) => {
        comparison.compared = end
      },
      (error: unknown) => {
        comparison.compared = { state: 'failed', why: error instanceof Error ? error.message : String(error) }
      },
    )
    return comparison.compared
  }

  /** Ends the comparison of that name, and forgets it. */
  forget(name: string): void {
    this.#all.get(name)?.stop.abort()
    this.#all.delete(name)
  }

  /** Ends all of them. */
  close(): void {
    for (const name of this.#all.keys()) this.forget(name)
  }
}

/**
 * Reads both sides in sessions of their own, by `qemu-img compare`, range by range. The guest may write meanwhile: its
 * writes reach one side a moment before the other, so that what differs is looked at again later, in ever smaller pieces,
 * and counts as different only when the smallest stays so.
 */
async function compare(pair: Held, signal: AbortSignal, done: (bytes: number) => void): Promise<Compared> {
  for (let offset = 0; offset < pair.bytes; offset += RANGE_BYTES) {
    const range = { offset, length: Math.min(RANGE_BYTES, pair.bytes - offset) }
    const different = await differing(pair, { range, step: STEP_BYTES }, signal)
    if (different !== undefined) return { state: 'different', offset: different }
    done(range.offset + range.length)
  }
  return { state: 'same' }
}

/** `folder`: for secrets, which are in it for a moment, and in no file that has a name. */
type Held = Pair & { readonly folder: string }

interface Range {
  readonly offset: number
  readonly length: number
}

/**
 * Where a range stays different; `undefined` where nowhere. After a difference it goes on a whole step further on, or it would run
 * after a guest that writes one block after the other, and looks at what it has passed over once it is through.
 */
async function differing(
  pair: Held,
  { range, step }: { readonly range: Range; readonly step: number },
  signal: AbortSignal,
): Promise<number | undefined> {
  const end = range.offset + range.length
  const later: Range[] = []
  for (let at = range.offset; at < end;) {
    const found = await firstDifference(pair, { offset: at, length: end - at }, signal)
    if (found === undefined) break
    const offset = Math.max(at, found - (found % SPOT_BYTES))
    later.push({ offset, length: Math.min(step, end - offset) })
    at = offset + step
  }
  for (const part of later) {
    const different =
      step > SPOT_BYTES
        ? await differing(pair, { range: part, step: step / STEPS }, signal)
        : await staysDifferent(pair, part, signal)
    if (different !== undefined) return different
  }
  return undefined
}

async function staysDifferent(pair: Held, spot: Range, signal: AbortSignal): Promise<number | undefined> {
  for (let look = 0; look < SPOT_LOOKS; look++) {
    if ((await firstDifference(pair, spot, signal)) === undefined) return undefined
    await pause(SPOT_PAUSE_MS)
  }
  return spot.offset
}

/** Where the two differ first within a range; `undefined` where nowhere. Throws what `qemu-img` says when it cannot read. */
async function firstDifference(pair: Held, range: Range, signal: AbortSignal): Promise<number | undefined> {
  const sides = sidesOf(pair, range)
  const objects = sides.flatMap(({ object }) => (object === undefined ? [] : ['--object', object]))
  const names = sides.map(({ name }) => name)
  const { folder } = pair
  // `timeout` ends what would wait for ever for an array that is gone, also when this daemon is not there any more.
  const command = ['-s', 'KILL', String(RANGE_SECONDS), 'qemu-img', 'compare', '-U', ...objects, ...names]
  const held = sides.flatMap(({ secret }) => (secret === undefined ? [] : [heldFile(folder, secret)]))
  try {
    const stdio = ['ignore', 'pipe', 'pipe', ...held] as const
    const child = spawn('timeout', command, { stdio: [...stdio], signal, killSignal: 'SIGTERM' })
    const said = Promise.all([textOf(child.stdout), textOf(child.stderr)])
    const ended: readonly unknown[] = await once(child, 'close')
    const [code] = ended
    const [out, errors] = await said
    if (code === 0) return undefined
    const found = /offset (\d+)/.exec(out)?.[1]
    if (code === 1 && found !== undefined) return range.offset + Number(found)
    throw new Error(`qemu-img compare ended with ${String(code)}: ${errors.trim().slice(-500)}`)
  } finally {
    for (const file of held) closeSync(file)
  }
}

async function textOf(stream: Readable | null): Promise<string> {
  return stream ? text(stream) : ''
}

/** A file that only who has it open can read: it has no name any more, and goes with its last reader. */
function heldFile(folder: string, content: string): number {
  const path = join(folder, `held-${randomUUID()}`)
  const file = openSync(path, 'wx+', 0o600)
  unlinkSync(path)
  writeSync(file, content)
  return file
}

/** Both sides as `qemu-img` takes them. Secrets are read from files that it is handed open: arguments can be read by everybody. */
function sidesOf({ source, target }: Pair, range: Range) {
  let held = FIRST_HELD
  return [source, target].map((connection) => {
    const names: DiskNames = { device: '', format: 'f', protocol: 'p', secret: `s${held}` }
    const plan = openPlan(names, connection, 'ro')
    const [protocol, format] = plan.nodes.map(({ 'node-name': _name, ...node }) => node)
    // The machine that copies has the file locked for itself; who only reads beside it takes no lock.
    const file = connection.via === 'file' ? { ...protocol, locking: 'off' } : protocol
    const whole = { ...format, file }
    const name = `json:${JSON.stringify({ driver: 'raw', offset: range.offset, size: range.length, file: whole })}`
    if (!plan.secret) return { name }
    const object = `secret,id=s${held},file=/dev/fd/${held++}`
    return { name, object, secret: String(plan.secret['data']) }
  })
}

/** After standard input, output and error. */
const FIRST_HELD = 3
