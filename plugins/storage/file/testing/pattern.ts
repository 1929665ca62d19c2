import { createHash } from 'node:crypto'

/** Bytes that follow from a seed and look like nothing else. */
export function pattern(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 64) {
    bytes.set(
      createHash('sha512')
        .update(`${seed}/${at}`)
        .digest()
        .subarray(0, length - at),
      at,
    )
  }
  return bytes
}
