import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Connection } from '@moorage/contract'
import type { OpenDisk } from '@moorage/conformance'

/** A small NBD client: logs in as the connection says, one request at a time; https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md. */
export async function openSession(connection: Connection): Promise<OpenDisk> {
  if (connection.via !== 'nbd') throw new Error('no NBD')
  const socket = connect(new URL(connection.uri).searchParams.get('socket') ?? '')
  await once(socket, 'connect')
  const take = reader(socket)
  await take(18)
  const name = Buffer.from(connection.export)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(name.length)
  // Flags: fixed newstyle, no zeroes; then NBD_OPT_EXPORT_NAME.
  socket.write(
    Buffer.concat([
      Buffer.from('00000003', 'hex'),
      Buffer.from('IHAVEOPT'),
      Buffer.from('00000001', 'hex'),
      length,
      name,
    ]),
  )
  await take(10)
  const request = async (type: 0 | 1, offset: number, bytes: Uint8Array | number): Promise<Buffer> => {
    const head = Buffer.alloc(28)
    head.writeUInt32BE(0x25609513, 0)
    head.writeUInt16BE(type, 6)
    head.writeBigUInt64BE(BigInt(offset), 16)
    head.writeUInt32BE(typeof bytes === 'number' ? bytes : bytes.length, 24)
    socket.write(typeof bytes === 'number' ? head : Buffer.concat([head, bytes]))
    const code = (await take(16)).readUInt32BE(4)
    if (code !== 0) throw new Error(`NBD error ${code}`)
    return take(typeof bytes === 'number' ? bytes : 0)
  }
  return {
    write: async (offset, bytes) => void (await request(1, offset, bytes)),
    read: (offset, count) => request(0, offset, count),
    close: async () => void socket.destroy(),
  }
}

/** Reads exactly so many bytes; rejects when the stream ends before. */
function reader(socket: Socket): (count: number) => Promise<Buffer> {
  let held = Buffer.alloc(0)
  let over = false
  let wake = (): void => undefined
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk])
    wake()
  })
  socket.on('close', () => {
    over = true
    wake()
  })
  return async (count) => {
    while (held.length < count) {
      if (over) throw new Error('the session is over')
      await new Promise<void>((resolve) => (wake = resolve))
    }
    const taken = held.subarray(0, count)
    held = held.subarray(count)
    return taken
  }
}
