import { type FileHandle, open } from 'node:fs/promises'
import { PluginError } from '@moorage/contract'
import { textOf, writeDurably } from '@moorage/files'

/** No call lives longer than an hour on the wire; whoever was held up longer finds that its time is up. */
const KEPT_MS = 7 * 24 * 3_600_000

interface Known {
  readonly fence: number
  /** Epoch milliseconds of its raising. */
  readonly at: number
}

/**
 * The highest fence that each object has accepted: a line each in one file, which is appended to, and written anew without
 * what is a week old whenever the mover starts.
 */
export class Fences {
  readonly #known: Map<string, Known>
  readonly #file: FileHandle
  #written: Promise<unknown> = Promise.resolve()

  private constructor(known: Map<string, Known>, file: FileHandle) {
    this.#known = known
    this.#file = file
  }

  /** Reads them, or begins with none. */
  static async open(path: string): Promise<Fences> {
    const known = new Map<string, Known>()
    const since = Date.now() - KEPT_MS
    for (const line of ((await textOf(path)) ?? '').split('\n')) {
      // The last one may have been cut short: nobody was answered then.
      const [object, fence, at] = line.endsWith(']') ? (JSON.parse(line) as [string, number, number]) : [] // Written by `lineOf`.
      if (object !== undefined && fence !== undefined && at !== undefined && at > since)
        known.set(object, { fence, at })
    }
    await writeDurably(path, [...known].map(([object, one]) => lineOf(object, one)).join(''))
    return new Fences(known, await open(path, 'a', 0o600))
  }

  /**
   * Refuses with `FENCED`, effect `none`, unless the fence is at least the highest of every object; else remembers it,
   * also when the call is refused for another reason later. Resolves once it is on disk.
   */
  async claim(objects: readonly string[], fence: number): Promise<void> {
    this.#check(objects, fence)
    const raised = objects.filter((object) => this.#known.get(object)?.fence !== fence)
    if (raised.length === 0) return
    const one = { fence, at: Date.now() }
    for (const object of raised) this.#known.set(object, one)
    const lines = raised.map((object) => lineOf(object, one)).join('')
    const writing = this.#written.then(() => this.#append(lines))
    this.#written = writing.catch(() => {})
    await writing
    // Somebody may have taken over meanwhile.
    this.#check(objects, fence)
  }

  /** Resolves when everything is written. */
  async close(): Promise<void> {
    await this.#written
    await this.#file.close()
  }

  #check(objects: readonly string[], fence: number): void {
    for (const object of objects) {
      const highest = this.#known.get(object)?.fence ?? 0
      if (fence >= highest) continue
      throw new PluginError('FENCED', `${object} was taken over: ${fence} is below ${highest}`, 'none')
    }
  }

  async #append(lines: string): Promise<void> {
    await this.#file.appendFile(lines)
    await this.#file.datasync()
  }
}

function lineOf(object: string, { fence, at }: Known): string {
  return `${JSON.stringify([object, fence, at])}\n`
}
