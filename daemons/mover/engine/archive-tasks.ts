import {
  chunkId,
  ChunkTable,
  ID_BYTES,
  isZero,
  PackBuilder,
  packBufferBytes,
  type PackKeys,
  release,
} from '@moorage/archive-format'
import type { EndAddress } from '../ends/ends.ts'
import { openPort, type Port } from '../ends/port.ts'
import type { WorkerStart } from './pool.ts'

/** What a worker of an archive job is started with. */
export interface ArchiveStart extends WorkerStart {
  readonly role: 'archive'
  readonly source: EndAddress
  readonly bytes: number
  readonly chunkBytes: number
  readonly table: SharedArrayBuffer
  readonly attempt: string
  readonly keys: PackKeys | undefined
  /** Packs that may be on their way at the same time, the one that is being filled included. */
  readonly buffers: number
}

/** Chunks to be read, by their numbers in the volume; none: finish the pack that is begun. */
export interface ArchiveTask {
  readonly chunks: readonly number[]
}

/** Ids of the chunks of a task, one behind the other; zeros for chunks of zeros. */
export interface ArchiveAnswer {
  readonly ids: Uint8Array
}

/** A pack that is to be stored. Its buffer is given back by an event with it. */
export interface PackEvent {
  readonly pack: string
  readonly buffer: ArrayBuffer
  readonly length: number
}

/** How far ahead of the chunk that is worked on the source is read. */
const AHEAD = 3

type Tell = (body: unknown, transfer: readonly ArrayBuffer[]) => void

/** A worker that reads, looks for zeros, hashes, claims, packs, seals. */
export async function newArchiver(start: ArchiveStart, tell: Tell) {
  const archiver = new Archiver(start, { port: await openPort(start.source, 'read'), tell })
  return {
    run: (body: unknown) => archiver.run(body as ArchiveTask), // Our own main thread sends it.
    event: (body: unknown) => archiver.giveBack(body as ArrayBuffer), // The same.
    end: () => archiver.end(),
  }
}

class Archiver {
  readonly #start: ArchiveStart
  readonly #port: Port
  readonly #tell: Tell
  readonly #table: ChunkTable
  readonly #reads: readonly Buffer[]
  readonly #free: Buffer[] = []
  #made = 0
  #awaited: (() => void) | undefined
  #pack: { readonly builder: PackBuilder; readonly buffer: Buffer } | undefined

  constructor(start: ArchiveStart, { port, tell }: { readonly port: Port; readonly tell: Tell }) {
    this.#start = start
    this.#port = port
    this.#tell = tell
    this.#table = new ChunkTable(start.table)
    this.#reads = Array.from({ length: AHEAD }, () => Buffer.allocUnsafeSlow(start.chunkBytes))
  }

  async run({ chunks }: ArchiveTask): Promise<ArchiveAnswer> {
    if (chunks.length === 0) this.#finishPack()
    const ids = Buffer.from(new ArrayBuffer(chunks.length * ID_BYTES))
    const reads: Promise<Buffer>[] = []
    for (let index = 0; index < chunks.length; index += 1) {
      for (let ahead = reads.length; ahead < Math.min(chunks.length, index + AHEAD); ahead += 1) {
        reads.push(this.#read(chunks[ahead] ?? 0, ahead))
        // One that fails while another is worked on is told when its turn comes.
        reads[ahead]?.catch(() => {})
      }
      const plain = await reads[index]
      if (!plain || isZero(plain)) continue
      ids.set(await this.#store(plain), index * ID_BYTES)
    }
    return { ids }
  }

  giveBack(buffer: ArrayBuffer): void {
    this.#free.push(Buffer.from(buffer))
    this.#awaited?.()
  }

  /** Gives the memory of its buffers back at once, not when it is collected. */
  async end(): Promise<void> {
    for (const buffer of [...this.#reads, ...this.#free]) release(buffer)
    await this.#port.close()
  }

  async #read(chunk: number, index: number): Promise<Buffer> {
    const { chunkBytes, bytes } = this.#start
    const offset = chunk * chunkBytes
    const whole = this.#reads[index % AHEAD] ?? Buffer.alloc(chunkBytes)
    const into = whole.subarray(0, Math.min(chunkBytes, bytes - offset))
    await this.#port.read(offset, into)
    return into
  }

  async #store(plain: Buffer): Promise<Uint8Array> {
    const id = chunkId(plain, this.#start.keys?.idKey)
    if (!this.#table.claim(id)) return id
    this.#pack ??= await this.#newPack()
    this.#pack.builder.add(id, plain)
    if (this.#pack.builder.full) this.#finishPack()
    return id
  }

  async #newPack() {
    // Made when they are needed: what a small increment fills is one.
    if (this.#free.length === 0 && this.#made < this.#start.buffers) {
      this.#made += 1
      this.#free.push(Buffer.allocUnsafeSlow(packBufferBytes(this.#start.chunkBytes)))
    }
    while (this.#free.length === 0) await new Promise<void>((resolve) => (this.#awaited = resolve))
    const buffer = this.#free.pop() ?? Buffer.alloc(0)
    const { attempt, keys } = this.#start
    return { buffer, builder: new PackBuilder({ buffer, attempt, keys }) }
  }

  #finishPack(): void {
    if (!this.#pack) return
    const { id, bytes } = this.#pack.builder.finish()
    const buffer = this.#pack.buffer.buffer as ArrayBuffer // Made above, and not shared.
    this.#pack = undefined
    this.#tell({ pack: id, buffer, length: bytes.length } satisfies PackEvent, [buffer])
  }
}
