import { randomFillSync } from 'node:crypto'
import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import type { Extent } from '@moorage/contract'

const MIB = 1024 * 1024

/** A disk image of a bench. */
export interface Image {
  readonly path: string
  readonly bytes: number
}

/** A generator of numbers that is the same each time. */
class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A whole number below. */
  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((this.#state / 2 ** 32) * limit)
  }
}

/**
 * Makes an image of which 30 % are holes, 10 % zeros that were written, 30 % text and 30 % random, in runs of 1 to 8 MiB.
 * `sparseBytes`: it is that large, with holes behind.
 */
export function makeImage(path: string, bytes: number, sparseBytes = bytes): Image {
  const dice = new Dice(4)
  const words = vocabulary(dice)
  const file = openSync(path, 'w')
  ftruncateSync(file, sparseBytes)
  const left = { hole: 0.3 * bytes, zero: 0.1 * bytes, text: 0.3 * bytes, random: 0.3 * bytes }
  const kinds = ['hole', 'text', 'random', 'hole', 'text', 'random', 'zero', 'hole', 'text', 'random'] as const
  const buffer = Buffer.alloc(MIB)
  for (let at = 0, turn = 0; at < bytes; turn += 1) {
    const kind = kinds[turn % kinds.length] ?? 'hole'
    for (let run = Math.min(1 + dice.below(8), (bytes - at) / MIB); run > 0 && left[kind] > 0; run -= 1) {
      if (kind === 'text') writeText(buffer, words, dice)
      else if (kind === 'random') randomFillSync(buffer)
      else buffer.fill(0)
      if (kind !== 'hole') writeSync(file, buffer, 0, MIB, at)
      at += MIB
      left[kind] -= MIB
    }
    if (Object.values(left).every((rest) => rest <= 0)) break
  }
  fsyncSync(file)
  closeSync(file)
  return { path, bytes: sparseBytes }
}

/** Changes 2 % of the first `bytes` of an image, in 56 runs that lie together in clusters; answers them in order. */
export function changeImage({ path }: Image, bytes: number): readonly Extent[] {
  const dice = new Dice(7)
  const grain = 64 * 1024
  const runs = new Map<number, number>()
  const length = Math.ceil((bytes * 0.02) / 56 / grain) * grain
  for (let cluster = 0; cluster < 8; cluster += 1) {
    const start = dice.below(bytes / grain - 400 * (length / grain)) * grain
    for (let index = 0; index < 7; index += 1) runs.set(start + index * length * 2, length)
  }
  const file = openSync(path, 'r+')
  const buffer = Buffer.alloc(length)
  const sorted = [...runs].toSorted(([one], [other]) => one - other)
  const changes: Extent[] = []
  for (const [offset, run] of sorted) {
    const end = changes.at(-1)
    // Clusters may meet.
    if (end && end.offset + end.length > offset) continue
    randomFillSync(buffer)
    writeSync(file, buffer, 0, run, offset)
    changes.push({ offset, length: run, kind: 'data' })
  }
  fsyncSync(file)
  closeSync(file)
  return changes
}

/** Words as frequent as in a language: the few short ones most. */
function vocabulary(dice: Dice): readonly Buffer[] {
  const letters = 'etaoinshrdlucmfwypvbgkjqxz'
  return Array.from({ length: 4000 }, (_, rank) => {
    const length = 2 + dice.below(3) + Math.floor(Math.log2(rank + 1) / 2)
    const word = Array.from({ length }, () => letters[Math.min(dice.below(26), dice.below(26))]).join('')
    return Buffer.from(`${word}${dice.below(12) === 0 ? '.\n' : ' '}`)
  })
}

function writeText(into: Buffer, words: readonly Buffer[], dice: Dice): void {
  for (let at = 0; at < into.length;) {
    // Zipf's law, nearly: as likely in each octave of ranks.
    const rank = Math.floor(words.length ** (dice.below(1_000_000) / 1_000_000)) - 1
    const word = words[rank] ?? words[0]
    at += word?.copy(into, at) ?? into.length
  }
}
