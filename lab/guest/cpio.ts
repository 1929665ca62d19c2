/** One entry of the archive. Paths are relative, without a leading slash; parents come before their children. */
export type CpioEntry = { readonly path: string } & (
  | { readonly kind: 'directory' }
  | { readonly kind: 'file'; readonly data: Uint8Array; readonly executable: boolean }
  | { readonly kind: 'link'; readonly target: string }
)

const MODE = { directory: 0o040755, link: 0o120777, executable: 0o100755, plain: 0o100644 }
const ALIGNMENT = 4

/**
 * Packs entries in the `newc` format, the one the kernel unpacks as initramfs
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Everything belongs to root and is dated to the epoch, so
 * equal entries give equal bytes.
 */
export function packCpio(entries: readonly CpioEntry[]): Buffer {
  const pieces = entries.flatMap((entry, index) => member(entry, index + 1))
  return Buffer.concat([...pieces, ...record({ path: 'TRAILER!!!', inode: 0, mode: 0, data: new Uint8Array() })])
}

function member(entry: CpioEntry, inode: number): readonly Uint8Array[] {
  const { path } = entry
  if (entry.kind === 'directory') return record({ path, inode, mode: MODE.directory, data: new Uint8Array() })
  if (entry.kind === 'link') return record({ path, inode, mode: MODE.link, data: Buffer.from(entry.target) })
  return record({ path, inode, mode: entry.executable ? MODE.executable : MODE.plain, data: entry.data })
}

function record(options: { path: string; inode: number; mode: number; data: Uint8Array }): readonly Uint8Array[] {
  const name = Buffer.from(`${options.path}\0`)
  const links = 1
  const [uid, gid, mtime, device, check] = [0, 0, 0, 0, 0]
  const { inode, mode, data } = options
  const fields = [inode, mode, uid, gid, links, mtime, data.length, device, device, device, device, name.length, check]
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`)
  return [header, name, padding(header.length + name.length), data, padding(data.length)]
}

function padding(length: number): Uint8Array {
  return new Uint8Array((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT)
}
