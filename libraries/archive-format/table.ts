import { ID_BYTES } from './layout.ts'

/** Words of a slot: its state, then the id. */
const SLOT_WORDS = 1 + ID_BYTES / 4
const EMPTY = 0
const BEING_WRITTEN = 1
const FULL = 2

/**
 * A set of chunk ids in shared memory: threads that meet the same chunk agree which of them stores it. Open addressing,
 * half full at most, 72 bytes a chunk; it does not grow, so that its user says how many there may be.
 */
export class ChunkTable {
  /** To be handed to another thread, which opens it with `new`. */
  readonly memory: SharedArrayBuffer
  readonly #words: Int32Array
  readonly #slots: number

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory
    this.#words = new Int32Array(memory)
    this.#slots = this.#words.length / SLOT_WORDS
  }

  /** An empty table for `count` ids. */
  static for(count: number): ChunkTable {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(64, count * 2)))
    return new ChunkTable(new SharedArrayBuffer(slots * SLOT_WORDS * 4))
  }

  /** How many slots there are: numbers of slots are below. */
  get slots(): number {
    return this.#slots
  }

  /** Adds an id. True for exactly one of all who add it. */
  claim(id: Uint8Array): boolean {
    const words = wordsOf(id)
    for (let slot = this.#first(words); ; slot = (slot + 1) & (this.#slots - 1)) {
      const at = slot * SLOT_WORDS
      if (Atomics.compareExchange(this.#words, at, EMPTY, BEING_WRITTEN) === EMPTY) {
        this.#words.set(words, at + 1)
        Atomics.store(this.#words, at, FULL)
        Atomics.notify(this.#words, at)
        return true
      }
      if (this.#holds(at, words)) return false
    }
  }

  /** The slot of an id; `undefined` when it is not there. */
  find(id: Uint8Array): number | undefined {
    const words = wordsOf(id)
    for (let slot = this.#first(words); ; slot = (slot + 1) & (this.#slots - 1)) {
      const at = slot * SLOT_WORDS
      if (Atomics.load(this.#words, at) === EMPTY) return undefined
      if (this.#holds(at, words)) return slot
    }
  }

  has(id: Uint8Array): boolean {
    return this.find(id) !== undefined
  }

  #first(words: Int32Array): number {
    // Ids are digests: any part of one is as good as another.
    return ((words[0] ?? 0) >>> 0) & (this.#slots - 1)
  }

  #holds(at: number, words: Int32Array): boolean {
    while (Atomics.load(this.#words, at) === BEING_WRITTEN) Atomics.wait(this.#words, at, BEING_WRITTEN, 1)
    for (let index = 0; index < words.length; index += 1) {
      if (this.#words[at + 1 + index] !== words[index]) return false
    }
    return true
  }
}

function wordsOf(id: Uint8Array): Int32Array {
  // A view needs its words aligned; copying 32 bytes costs nothing beside making them.
  return new Int32Array(Uint8Array.prototype.slice.call(id).buffer)
}
