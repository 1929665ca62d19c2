import { type ChildProcess, spawn } from 'node:child_process'
import { hash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Call, Mover, MoverJob, MoverTask } from '@moorage/contract'
import { remoteMover, wireClient } from '@moorage/wire'
import { freePort } from '@moorage/wire/testing'
import type { JobRecord } from './records.ts'

/** A mover of one test, in a process of its own. */
export interface TestMover {
  readonly url: string
  /** Its directory. */
  readonly data: string
  readonly user: string
  readonly password: string
  readonly initiator: string
  /** A client of it. */
  readonly mover: Mover
  /** Its process now. */
  readonly pid: number
  /** Submits a task and waits until it is done. Throws what it failed with, and when it takes longer than ten minutes. */
  run(task: MoverTask): Promise<Extract<MoverJob, { state: 'done' }>>
  /** Ends it by the signal. Resolves when it is gone. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Starts it anew on the same data and address. */
  restart(): Promise<void>
  logs(): Promise<string>
  /** Jobs of which it has a record on disk. */
  jobs(): Promise<readonly MoverJob[]>
  /** Ends it and removes its directory. */
  stop(): Promise<void>
}

/** A web server of one test. */
export interface TestWeb {
  /** The url of a file under that name: its bytes, or how a request for it is answered. */
  put(name: string, what: Buffer | ((request: IncomingMessage, answer: ServerResponse) => void)): string
  /** What was asked for: names, and from which byte on. */
  readonly asked: readonly { readonly name: string; readonly from: number }[]
  stop(): Promise<void>
}

/** Starts a web server on a free port of 127.0.0.1. Files have strong ETags, and are sent from where a request says. */
export async function startWeb(): Promise<TestWeb> {
  const files = new Map<string, Parameters<TestWeb['put']>[1]>()
  const asked: { name: string; from: number }[] = []
  const server = http.createServer((request, answer) => {
    const name = (request.url ?? '').slice(1)
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    asked.push({ name, from })
    const file = files.get(name)
    if (typeof file === 'function') return file(request, answer)
    if (file) return sendFile(file, { from, request, answer })
    answer.writeHead(404).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  return {
    put: (name, what) => {
      files.set(name, what)
      return `http://127.0.0.1:${port}/${name}`
    },
    asked,
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function sendFile(
  bytes: Buffer,
  {
    from,
    request,
    answer,
  }: { readonly from: number; readonly request: IncomingMessage; readonly answer: ServerResponse },
): void {
  const etag = `"${hash('sha256', bytes, 'hex').slice(0, 16)}"`
  const at = request.headers['if-range'] === etag ? from : 0
  const range = at > 0 && { 'content-range': `bytes ${at}-${bytes.length - 1}/${bytes.length}` }
  answer.writeHead(at > 0 ? 206 : 200, { etag, 'content-length': bytes.length - at, ...range })
  answer.end(bytes.subarray(at))
}

const MAIN = join(import.meta.dirname, 'main.ts')
const READY_MS = 20_000
const JOB_MS = 600_000

/** Starts a mover on a free port of 127.0.0.1 with data in a temporary directory. */
export async function startMover(): Promise<TestMover> {
  const data = await mkdtemp(join(tmpdir(), 'moverd-'))
  const credentials = { user: 'mover', password: 'mover-test-password' }
  const file = join(data, 'credentials.json')
  await writeFile(file, JSON.stringify(credentials), { mode: 0o600 })
  const initiator = `iqn.2026-01.moorage.test:mover-${data.slice(-6).toLowerCase()}`
  const listen = `127.0.0.1:${await freePort()}`
  const start = async () => {
    const args = [MAIN, '--data', data, '--listen', listen, '--credentials', file, '--initiator', initiator]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr.pipe(createWriteStream(join(data, 'mover.log'), { flags: 'a' }))
    await ready(data, child)
    return child
  }
  let child = await start()
  const url = `http://${listen}`
  const mover = remoteMover(wireClient({ url, ...credentials }))
  const kill = (signal: NodeJS.Signals) => ended(child, signal)
  return {
    url,
    data,
    ...credentials,
    initiator,
    mover,
    get pid() {
      return child.pid ?? 0
    },
    run: (task) => runJob(mover, task),
    kill,
    restart: async () => {
      child = await start()
    },
    logs: () => readFile(join(data, 'mover.log'), 'utf8'),
    jobs: () => recordedIn(join(data, 'jobs')),
    stop: async () => {
      await kill('SIGTERM')
      await rm(data, { recursive: true })
    },
  }
}

async function recordedIn(directory: string): Promise<readonly MoverJob[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.json'))
  const texts = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')))
  return texts.map((text) => (JSON.parse(text) as JobRecord).job) // Written whole, by the mover.
}

/** A call of a test. */
export function moverCall(): Call {
  const { signal } = new AbortController()
  return { key: randomUUID(), fence: 0, deadline: Date.now() + 30_000, signal }
}

async function runJob(mover: Mover, task: MoverTask): Promise<Extract<MoverJob, { state: 'done' }>> {
  const until = Date.now() + JOB_MS
  let job: MoverJob | undefined = await mover.submit(task, moverCall())
  while (job?.state === 'running' && Date.now() < until) {
    await pause(20)
    job = await mover.job(task.id, moverCall())
  }
  if (job?.state === 'done') return job
  if (job?.state === 'failed') throw Object.assign(new Error(job.failure.message), { code: job.failure.code })
  throw new Error(`job ${task.id} is ${job?.state ?? 'not known'}`)
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill(signal)
  await exit
}

async function ready(data: string, child: ChildProcess): Promise<void> {
  const until = Date.now() + READY_MS
  while (Date.now() < until && child.exitCode === null) {
    const text = await readFile(join(data, 'ready.json'), 'utf8').catch(() => '{}')
    // The mover writes it whole or not at all.
    if ((JSON.parse(text) as { readonly pid?: number }).pid === child.pid) return
    await pause(10)
  }
  child.kill('SIGKILL')
  throw new Error(`the mover did not become ready: ${await readFile(join(data, 'mover.log'), 'utf8').catch(() => '')}`)
}
