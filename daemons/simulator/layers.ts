import { closeSync, constants, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import path from 'node:path'
import type { Store } from './store.ts'

/** Bytes of one block: the unit in which images share bytes, and the resolution of change lists. */
export const BLOCK_BYTES = 64 * 1024

/**
 * The byte plane. An **image** (of a volume or a snapshot) maps block numbers to **layers**; a layer is a sparse file
 * that holds a block at the block's own offset. An image writes into one layer of its own and reads from any. Copying
 * an image copies its map and takes the writable layer away from the origin, so a layer never changes once two images
 * share it: snapshots cost rows, not bytes, on every file system. What is not mapped reads as zeros.
 */
export function newImage(store: Store, bytes: number): number {
  const image = store.run('INSERT INTO images(layer) VALUES (NULL)').id
  const layer = newLayer(store, bytes)
  store.run('UPDATE images SET layer = ? WHERE id = ?', layer, image)
  return image
}

/** A second image with the same bytes, at once; both may be written afterwards without affecting each other. */
export function copyImage(store: Store, from: number): number {
  const image = store.run('INSERT INTO images(layer) VALUES (NULL)').id
  share(store, from, image)
  return image
}

/** Gives `image` exactly the bytes of `from`; what it held before is dropped. */
export function replaceImage(store: Store, image: number, from: number): void {
  const held = layersOf(store, image)
  store.run('DELETE FROM blocks WHERE image = ?', image)
  store.run('UPDATE images SET layer = NULL WHERE id = ?', image)
  share(store, from, image)
  dropUnused(store, held)
}

/** Deletes an image, and the layers that no image needs any more. */
export function dropImage(store: Store, image: number): void {
  const held = layersOf(store, image)
  store.run('DELETE FROM blocks WHERE image = ?', image)
  store.run('DELETE FROM images WHERE id = ?', image)
  dropUnused(store, held)
}

/** Bytes mapped by an image, in whole blocks; shared ones count in each image. */
export function mappedBytes(store: Store, image: number): number {
  return (store.one<{ n: number }>('SELECT count(*) AS n FROM blocks WHERE image = ?', image)?.n ?? 0) * BLOCK_BYTES
}

/** Bytes that would be freed if the image were deleted. */
export function exclusiveBytes(store: Store, image: number): number {
  const sql = `SELECT count(*) AS n FROM blocks b WHERE image = ?1 AND NOT EXISTS (
    SELECT 1 FROM blocks o WHERE o.layer = b.layer AND o.number = b.number AND o.image <> ?1)`
  return (store.one<{ n: number }>(sql, image)?.n ?? 0) * BLOCK_BYTES
}

/** Writes `data` at `offset`. The caller checks the range against the volume's size. */
export function writeImage(store: Store, image: number, at: { readonly offset: number; readonly data: Buffer }): void {
  if (store.pretending) return
  const layer = writableLayer(store, image)
  const file = openSync(layerPath(store, layer), 'r+')
  try {
    for (const piece of pieces(at.offset, at.data.length)) {
      const part = at.data.subarray(piece.from, piece.from + piece.length)
      writeBlock(store, { image, layer, file, number: piece.number, inside: piece.inside, part })
    }
  } finally {
    closeSync(file)
  }
}

/** Reads `length` bytes at `offset`. The caller checks the range against the size. */
export function readImage(
  store: Store,
  image: number,
  at: { readonly offset: number; readonly length: number },
): Buffer {
  const result = Buffer.alloc(at.length)
  for (const piece of pieces(at.offset, at.length)) {
    const layer = mappedLayer(store, image, piece.number)
    if (layer === undefined) continue
    const target = result.subarray(piece.from, piece.from + piece.length)
    readLayer(store, layer, { offset: piece.number * BLOCK_BYTES + piece.inside, target })
  }
  return result
}

/** One run of bytes in which two images differ, in whole blocks. */
export interface Difference {
  readonly offset: number
  readonly length: number
  readonly kind: 'data' | 'zero'
}

/**
 * Where `image` differs from `base`, ascending, at most `limit` runs, from block `start` on. Blocks in the same layer are
 * equal because a shared layer never changes; blocks in different layers are reported although their bytes may agree.
 */
export function differences(
  store: Store,
  image: number,
  options: { readonly base?: number; readonly start: number; readonly limit: number },
): readonly Difference[] {
  const sql = `SELECT number, max(isData) AS isData FROM (
      SELECT number, 1 AS isData FROM blocks b WHERE image = ?1 AND number >= ?3
        AND NOT EXISTS (SELECT 1 FROM blocks o WHERE o.image = ?2 AND o.number = b.number AND o.layer = b.layer)
      UNION ALL
      SELECT number, 0 FROM blocks b WHERE image = ?2 AND number >= ?3
        AND NOT EXISTS (SELECT 1 FROM blocks o WHERE o.image = ?1 AND o.number = b.number)
    ) GROUP BY number ORDER BY number`
  const runs: { offset: number; length: number; kind: 'data' | 'zero' }[] = []
  for (const row of store.all<{ number: number; isData: number }>(sql, image, options.base ?? -1, options.start)) {
    const kind = row.isData === 1 ? 'data' : 'zero'
    const last = runs.at(-1)
    const offset = row.number * BLOCK_BYTES
    if (last && last.kind === kind && last.offset + last.length === offset) last.length += BLOCK_BYTES
    else if (runs.length === options.limit) break
    else runs.push({ offset, length: BLOCK_BYTES, kind })
  }
  return runs
}

function share(store: Store, from: number, to: number): void {
  store.run('INSERT INTO blocks SELECT ?, number, layer FROM blocks WHERE image = ?', to, from)
  const origin = store.one<{ layer: number | null }>('SELECT layer FROM images WHERE id = ?', from)
  if (origin?.layer === null || origin === undefined) return
  store.run('UPDATE images SET layer = NULL WHERE id = ?', from)
  dropUnused(store, [origin.layer])
}

function layersOf(store: Store, image: number): readonly number[] {
  const sql = `SELECT DISTINCT layer FROM blocks WHERE image = ?1
    UNION SELECT layer FROM images WHERE id = ?1 AND layer IS NOT NULL`
  return store.all<{ layer: number }>(sql, image).map((row) => row.layer)
}

function dropUnused(store: Store, layers: readonly number[]): void {
  for (const layer of layers) {
    if (store.one('SELECT 1 FROM blocks WHERE layer = ? LIMIT 1', layer)) continue
    if (store.one('SELECT 1 FROM images WHERE layer = ? LIMIT 1', layer)) continue
    store.run('DELETE FROM layers WHERE id = ?', layer)
    store.afterCommit(() => rmSync(layerPath(store, layer), { force: true }))
  }
}

function newLayer(store: Store, bytes: number): number {
  const layer = store.run('INSERT INTO layers DEFAULT VALUES').id
  const file = layerPath(store, layer)
  store.afterRollback(() => rmSync(file, { force: true }))
  const handle = openSync(file, constants.O_CREAT | constants.O_TRUNC | constants.O_RDWR, 0o600)
  try {
    ftruncateSync(handle, bytes)
  } finally {
    closeSync(handle)
  }
  return layer
}

function writableLayer(store: Store, image: number): number {
  const row = store.one<{ layer: number | null }>('SELECT layer FROM images WHERE id = ?', image)
  if (!row) throw new Error(`image ${image} is gone`)
  if (row.layer !== null) return row.layer
  const layer = newLayer(store, 0)
  store.run('UPDATE images SET layer = ? WHERE id = ?', layer, image)
  return layer
}

interface BlockWrite {
  readonly image: number
  readonly layer: number
  readonly file: number
  readonly number: number
  readonly inside: number
  readonly part: Buffer
}

function writeBlock(store: Store, write: BlockWrite): void {
  const start = write.number * BLOCK_BYTES
  const held = mappedLayer(store, write.image, write.number)
  if (held !== undefined && held !== write.layer && write.part.length < BLOCK_BYTES) {
    const block = Buffer.alloc(BLOCK_BYTES)
    readLayer(store, held, { offset: start, target: block })
    writeFully(write.file, block, start)
  }
  writeFully(write.file, write.part, start + write.inside)
  if (held === write.layer) return
  const sql = 'INSERT INTO blocks VALUES (?, ?, ?) ON CONFLICT(image, number) DO UPDATE SET layer = excluded.layer'
  store.run(sql, write.image, write.number, write.layer)
  if (held !== undefined) dropUnused(store, [held])
}

function mappedLayer(store: Store, image: number, number: number): number | undefined {
  return store.one<{ layer: number }>('SELECT layer FROM blocks WHERE image = ? AND number = ?', image, number)?.layer
}

function readLayer(store: Store, layer: number, at: { readonly offset: number; readonly target: Buffer }): void {
  const file = openSync(layerPath(store, layer), 'r')
  try {
    let done = 0
    while (done < at.target.length) {
      const got = readSync(file, at.target, done, at.target.length - done, at.offset + done)
      if (got === 0) return // Past the end of a layer there is a hole.
      done += got
    }
  } finally {
    closeSync(file)
  }
}

function writeFully(file: number, data: Buffer, position: number): void {
  let done = 0
  while (done < data.length) done += writeSync(file, data, done, data.length - done, position + done)
}

interface Piece {
  readonly number: number
  /** Offset inside the block. */
  readonly inside: number
  /** Offset inside the whole request. */
  readonly from: number
  readonly length: number
}

function* pieces(offset: number, length: number): Generator<Piece> {
  let from = 0
  while (from < length) {
    const number = Math.floor((offset + from) / BLOCK_BYTES)
    const inside = (offset + from) % BLOCK_BYTES
    const size = Math.min(BLOCK_BYTES - inside, length - from)
    yield { number, inside, from, length: size }
    from += size
  }
}

function layerPath(store: Store, layer: number): string {
  return path.join(store.layersFolder, String(layer))
}
