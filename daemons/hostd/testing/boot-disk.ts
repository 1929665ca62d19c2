const SECTOR = 512
/** Where the firmware puts the first sector, and where that puts the second. */
const [LOADED, TEXT] = [0x7c00, 0x7e00]
/** What is said after the text of the disk. */
const WRITTEN = '; written\r\n\0'

/**
 * The first bytes of a disk from which a PC boots: a guest of a hundred bytes, up as soon as the firmware is. It reads the second
 * sector, says its text on the serial console, writes it into the third sector, and says that it did. It asks nobody but the
 * firmware, for the disk from which that booted.
 */
export function bootDisk(text: string): Buffer {
  if (text.length >= SECTOR) throw new RangeError('the text does not fit into a sector')
  const disk = Buffer.alloc(3 * SECTOR)
  assemble(PROGRAM.flat()).copy(disk)
  disk.writeUInt16LE(0xaa55, SECTOR - 2)
  disk.write(text, SECTOR, 'latin1')
  return disk
}

/** Bytes as they are; a place by its name; or where a place is: absolute, or as seen from behind this part, in one byte or two. */
type Part =
  | number
  | { readonly at: string }
  | { readonly abs: string }
  | { readonly near: string }
  | { readonly far: string }

/** What INT 13h reads or writes (its packet): one sector, to or from `TEXT`, and which. */
const packet = (sector: number): readonly Part[] => [0x10, 0, 1, 0, ...word(TEXT), 0, 0, sector, 0, 0, 0, 0, 0, 0, 0]

/** What a line does stands behind it. */
const PROGRAM: readonly (readonly Part[])[] = [
  [0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0], // cli; ds = es = ss = ax = 0
  [0xbc, ...word(LOADED), 0xfb], // sp = LOADED; sti
  [0x88, 0x16, { abs: 'drive' }], // [drive] = dl: the firmware's number of the disk
  [0xbe, { abs: 'read' }, 0xb4, 0x42, 0xcd, 0x13], // si = read; ah = 42h; int 13h
  [0x72, { near: 'halt' }], // jc halt
  [0xbe, ...word(TEXT), 0xe8, { far: 'print' }], // si = TEXT; call print
  [0x8a, 0x16, { abs: 'drive' }, 0xbe, { abs: 'write' }], // dl = [drive]; si = write
  [0xb8, 0x00, 0x43, 0xcd, 0x13], // ax = 4300h; int 13h
  [0x72, { near: 'halt' }], // jc halt
  [0xbe, { abs: 'written' }, 0xe8, { far: 'print' }], // si = written; call print
  [{ at: 'halt' }, 0xf4, 0xeb, { near: 'halt' }], // hlt; jmp halt
  [{ at: 'print' }, 0xac, 0x84, 0xc0, 0x74, { near: 'done' }], // lodsb; test al, al; jz done
  [0x88, 0xc3, 0xba, ...word(0x3fd)], // bl = al; dx = line status of COM1
  [{ at: 'wait' }, 0xec, 0xa8, 0x20, 0x74, { near: 'wait' }], // in al, dx; test al, 20h; jz wait
  [0xba, ...word(0x3f8), 0x88, 0xd8, 0xee], // dx = data of COM1; al = bl; out dx, al
  [0xeb, { near: 'print' }, { at: 'done' }, 0xc3], // jmp print; ret
  [{ at: 'read' }, ...packet(1), { at: 'write' }, ...packet(2)],
  [{ at: 'written' }, ...Buffer.from(WRITTEN, 'latin1'), { at: 'drive' }, 0],
]

function assemble(parts: readonly Part[]): Buffer {
  const places = new Map<string, number>()
  let at = LOADED
  for (const part of parts) {
    if (typeof part === 'object' && 'at' in part) places.set(part.at, at)
    at += sizeOf(part)
  }
  const place = (name: string) => places.get(name) ?? Number.NaN
  at = LOADED
  const bytes = parts.flatMap((part) => {
    at += sizeOf(part)
    if (typeof part === 'number') return [part]
    if ('abs' in part) return word(place(part.abs))
    if ('far' in part) return word(place(part.far) - at)
    return 'near' in part ? [(place(part.near) - at) & 0xff] : []
  })
  return Buffer.from(bytes)
}

function sizeOf(part: Part): number {
  if (typeof part === 'number' || 'near' in part) return 1
  return 'at' in part ? 0 : 2
}

function word(value: number): readonly [number, number] {
  return [value & 0xff, (value >> 8) & 0xff]
}
