import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { IncomingMessage } from 'node:http'
import { FAILURES, type PluginError } from '@moorage/contract'
import { textOf, unlessAbsent, writeDurably } from './durable.ts'
import { failureOf, refuse } from './failures.ts'
import { bodyOf, getFrom } from './web.ts'

/** A file that is to be brought from a web server. */
export interface Download {
  readonly url: string
  /** Where it goes; beside it, with `.json` behind the name, stands how much of it is there for sure. */
  readonly path: string
  /** Bytes that it may have. */
  readonly most: number
  /** Ends it: what is there stays, and the next one goes on from there. */
  readonly signal: AbortSignal
  /** Resolves when so many bytes may be fetched. */
  take(bytes: number): Promise<void>
  /** How much is there, and how much there will be: 0 where the server does not say. */
  onProgress(done: number, total: number): void
}

/** A file that was brought. */
export interface Downloaded {
  readonly bytes: number
  /** Of these fetched now. */
  readonly fetchedBytes: number
}

/** What is known of a file that is being brought. */
interface Part {
  readonly url: string
  /** By which the server tells whether it still has the same file. Absent: it does not tell, and the next one begins anew. */
  readonly etag?: string
  /** Bytes that are on disk. */
  readonly there: number
  readonly whole: boolean
}

/** Made durable whenever so much has come: what a crash costs at most. */
const SYNC_BYTES = 8 * 1024 * 1024
/** How long a server may be away, without a byte coming. */
const PATIENCE_MS = 60_000
const PAUSE_MS = { first: 50, longest: 5000 }

/**
 * Brings a file, or what is missing of it: a server that names its version by a strong ETag is asked for the rest, of
 * another all is fetched anew. One that is away for a while is asked again. Throws `PluginError`, effect `none`: `LIMIT` for
 * what is too large, `NO_SPACE`, and what `getFrom` throws.
 */
export async function download(what: Download): Promise<Downloaded> {
  const fetched = { bytes: 0 }
  let until = Date.now() + PATIENCE_MS
  for (let wait = PAUSE_MS.first; ; wait = Math.min(PAUSE_MS.longest, wait * 2)) {
    const before = fetched.bytes
    try {
      return { bytes: await attempt(what, fetched), fetchedBytes: fetched.bytes }
    } catch (error) {
      if (what.signal.aborted) throw refuse('TIMEOUT', 'the download was ended')
      const failure = failureOf(error, 'none')
      if (fetched.bytes > before) until = Date.now() + PATIENCE_MS
      if (FAILURES[failure.code].retry !== 'later' || Date.now() > until) throw failure
    }
    // Ended early by the signal, which the next turn tells.
    await pause(wait, undefined, { signal: what.signal }).catch(() => {})
  }
}

/** Removes what a download has left. Repeating it does no harm. */
export async function dropDownload(path: string): Promise<void> {
  for (const one of [`${path}.json`, `${path}.json.next`, path]) await rm(one, { force: true })
}

async function attempt(what: Download, fetched: { bytes: number }): Promise<number> {
  const part = await partOf(what)
  if (part?.whole === true) return part.there
  const from = part?.etag === undefined ? 0 : part.there
  const { url, signal } = what
  const range = from > 0 ? { range: `bytes=${from}-`, 'if-range': part?.etag ?? '' } : {}
  const answer = await getFrom(url, { headers: range, signal })
  try {
    if (answer.statusCode === 416) {
      await dropDownload(what.path)
      throw refuse('UNAVAILABLE', 'the server has no such part of the file')
    }
    const at = answer.statusCode === 206 ? from : 0
    if (at > 0 && !(answer.headers['content-range'] ?? '').startsWith(`bytes ${at}-`)) {
      await dropDownload(what.path)
      throw refuse('UNAVAILABLE', 'the server answered with another part of the file')
    }
    return await receive(what, answer, { at, fetched })
  } finally {
    answer.destroy()
  }
}

async function partOf({ path, url }: Download): Promise<Part | undefined> {
  const text = await textOf(`${path}.json`)
  const found = await unlessAbsent(stat(path))
  if (text === undefined || !found) return undefined
  const part = JSON.parse(text) as Part // Written whole, by `Receiving`.
  return part.url === url && found.size >= part.there ? part : undefined
}

/** Takes a body, from the offset on. */
async function receive(
  what: Download,
  answer: IncomingMessage,
  { at, fetched }: { readonly at: number; readonly fetched: { bytes: number } },
): Promise<number> {
  const length = answer.headers['content-length']
  const total = length === undefined ? 0 : at + Number(length)
  if (total > what.most) throw tooLarge(what, `has ${total} bytes`)
  const receiving = await Receiving.begin(what, { at, etag: strongTag(answer.headers.etag) })
  try {
    what.onProgress(receiving.at, total)
    for await (const bytes of bodyOf(answer)) {
      if (receiving.at + bytes.length > what.most) throw tooLarge(what, 'is larger')
      await what.take(bytes.length)
      await receiving.write(bytes)
      fetched.bytes += bytes.length
      what.onProgress(receiving.at, total)
    }
    if (total > 0 && receiving.at !== total)
      throw refuse('UNAVAILABLE', `the server sent ${receiving.at} of ${total} bytes`)
    await receiving.keep(true)
    return receiving.at
  } catch (error) {
    // A line that dropped: what has come is kept, if it can be.
    await receiving.keep(false).catch(() => {})
    throw error
  } finally {
    await receiving.close()
  }
}

function tooLarge({ most }: Download, what: string): PluginError {
  return refuse('LIMIT', `the file ${what}, and may have ${most} bytes`)
}

/** RFC 9110, §13.1.5: a weak one does not do. */
function strongTag(etag: string | undefined): string | undefined {
  return etag?.startsWith('"') === true ? etag : undefined
}

class Receiving {
  readonly #what: Download
  readonly #file: FileHandle
  readonly #etag: string | undefined
  #kept: number
  at: number

  private constructor(what: Download, file: FileHandle, from: { readonly at: number; readonly etag?: string }) {
    this.#what = what
    this.#file = file
    this.#etag = from.etag
    this.#kept = from.at
    this.at = from.at
  }

  static async begin(what: Download, { at, etag }: { readonly at: number; readonly etag: string | undefined }) {
    // What is there may be of another version.
    if (at === 0) await dropDownload(what.path)
    const file = await open(what.path, at === 0 ? 'wx' : 'r+', 0o600)
    try {
      await file.truncate(at)
    } catch (error) {
      await file.close()
      throw error
    }
    return new Receiving(what, file, { at, ...(etag !== undefined && { etag }) })
  }

  async write(bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.at + done)
      done += bytesWritten
    }
    this.at += bytes.length
    if (this.at - this.#kept >= SYNC_BYTES) await this.keep(false)
  }

  /** Makes durable what has come, and that it has. */
  async keep(whole: boolean): Promise<void> {
    if (this.at === this.#kept && !whole) return
    await this.#file.datasync()
    const { url, path } = this.#what
    const part: Part = { url, there: this.at, whole, ...(this.#etag !== undefined && { etag: this.#etag }) }
    await writeDurably(`${path}.json`, JSON.stringify(part))
    this.#kept = this.at
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}
