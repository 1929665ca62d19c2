import type { Extent } from '@moorage/contract'

/** A run of bytes of a file that lies somewhere on the disk. Bytes; runs of one file are in order and do not overlap. */
export interface Run {
  readonly offset: number
  readonly length: number
  /** Where on the file system it lies; `undefined` when that cannot be relied on. */
  readonly at?: number
}

/** Flags with which the physical address of an extent says where its bytes are (filefrag(8), linux/fiemap.h). */
const PLAIN = new Set(['last', 'shared', 'eof', 'merged'])
const UNWRITTEN = 'unwritten'

/**
 * Reads what `filefrag -v` prints of one file: the runs that hold data, clipped to its size. Extents that were never written
 * to read as zeros, as holes do. Throws when the text is not what it should be: a line that is not understood must not be
 * taken for a hole.
 */
export function parseFilefrag(text: string): readonly Run[] {
  const head = /^File size of .* is (\d+) \(\d+ blocks? of (\d+) bytes\)$/m.exec(text)
  if (!head) throw new Error(`filefrag told no size: ${text.slice(0, 200)}`)
  const [size, block] = [Number(head[1]), Number(head[2])]
  const runs: Run[] = []
  for (const line of text.slice(head.index + head[0].length).split('\n')) {
    if (line === '' || /^ ext: {5}logical_offset:/.test(line) || /: \d+ extents? found$/.test(line)) continue
    const run = runOf(line, block)
    const length = Math.min(run.length, size - run.offset)
    if (run.written && length > 0)
      runs.push({ offset: run.offset, length, ...(run.at === undefined ? {} : { at: run.at }) })
  }
  return runs
}

/** One line: `ext: logical..logical: physical..physical: length: [expected:] [flags]`, in blocks. */
const LINE = /^ *\d+: *(\d+)\.\. *\d+: *(\d+)\.\. *\d+: *(\d+):(?: *\d+:)? *([a-z0-9_,]*)$/

function runOf(line: string, block: number): Run & { readonly written: boolean } {
  const found = LINE.exec(line)
  if (!found) throw new Error(`filefrag printed what is no extent: ${line}`)
  const [, logical, physical, length, text = ''] = found
  const flags = text.split(',').filter((flag) => flag !== '')
  const run = { offset: Number(logical) * block, length: Number(length) * block }
  if (flags.includes(UNWRITTEN)) return { ...run, written: false }
  // Inline, encoded or delayed: two such extents at one address need not hold the same.
  const plain = flags.every((flag) => PLAIN.has(flag))
  return { ...run, written: true, ...(plain ? { at: Number(physical) * block } : {}) }
}

/**
 * What reads differently in `now` than in `base`, or may: runs that lie on other blocks. Two files that share a block at one
 * place hold the same there, because neither is written any more and a block that a file refers to is used for nothing else.
 * Pure. Both are in order.
 */
export function differences(base: readonly Run[], now: readonly Run[]): readonly Extent[] {
  const extents: Extent[] = []
  let [left, right, from] = [0, 0, 0]
  for (;;) {
    while (left < base.length && endOf(base[left]) <= from) left++
    while (right < now.length && endOf(now[right]) <= from) right++
    const [before, after] = [base[left], now[right]]
    if (!before && !after) return extents
    const [old, fresh] = [covering(before, from), covering(after, from)]
    const to = Math.min(nextEdge(before, from), nextEdge(after, from))
    if (fresh && !sameBlocks(old, fresh)) push(extents, { offset: from, length: to - from, kind: 'data' })
    else if (old && !fresh) push(extents, { offset: from, length: to - from, kind: 'zero' })
    from = to
  }
}

function endOf(run: Run | undefined): number {
  return run ? run.offset + run.length : Number.POSITIVE_INFINITY
}

function covering(run: Run | undefined, at: number): Run | undefined {
  return run && run.offset <= at ? run : undefined
}

function nextEdge(run: Run | undefined, from: number): number {
  if (!run) return Number.POSITIVE_INFINITY
  return run.offset > from ? run.offset : endOf(run)
}

function sameBlocks(old: Run | undefined, fresh: Run): boolean {
  if (old?.at === undefined || fresh.at === undefined) return false
  return old.at - old.offset === fresh.at - fresh.offset
}

function push(extents: Extent[], extent: Extent): void {
  const last = extents.at(-1)
  if (last?.kind === extent.kind && last.offset + last.length === extent.offset) {
    extents[extents.length - 1] = { ...last, length: last.length + extent.length }
  } else extents.push(extent)
}
