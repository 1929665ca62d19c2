/*
 * tgtd's management protocol: one request and one response per connection of a unix stream socket. The request is
 * `struct tgtadm_req` (usr/tgtadm.h of tgt 1.0.85), 120 bytes in host byte order on LP64, followed by parameters as text
 * that ends in a NUL. The response is `struct tgtadm_rsp`, 8 bytes, followed by text.
 *
 * tgtadm is a thin wrapper of this protocol, but it takes CHAP secrets on its command line, where every user of the
 * machine reads them; and it costs a process per call.
 */

/** What a request is about: `enum tgtadm_mode`. */
export const MODES = {
  system: 0,
  target: 1,
  device: 2,
  portal: 3,
  lld: 4,
  session: 5,
  connection: 6,
  account: 7,
} as const

/** What a request does: `enum tgtadm_op`. */
export const OPERATIONS = { new: 0, delete: 1, show: 2, bind: 3, unbind: 4, update: 5, stats: 6 } as const

/** One request. Numbers that a mode does not use are left out. */
export interface TgtRequest {
  readonly mode: keyof typeof MODES
  readonly op: keyof typeof OPERATIONS
  /** Absent means all targets, where the mode allows it. */
  readonly tid?: number
  readonly lun?: number
  readonly sid?: number
  readonly cid?: number
  readonly force?: boolean
  /** Parameters as `key=value`; tgtd splits the text at commas. */
  readonly text?: string
}

/** Bytes of the response's header. */
const RESPONSE_HEADER_BYTES = 8

const REQUEST_BYTES = 120
const DRIVER = 'iscsi'
/** tgtd drops requests whose parameters are longer (`MAX_MGT_BUFSIZE`). */
const MOST_TEXT_BYTES = 8 * 1024

const OFFSET = {
  mode: 0,
  op: 4,
  driver: 8,
  length: 72,
  tid: 76,
  sid: 80,
  lun: 88,
  cid: 96,
  force: 116,
} as const

/** The bytes of a request. Throws `RangeError` when the parameters are longer than tgtd takes, or contain a NUL. */
export function encodeRequest(request: TgtRequest): Buffer {
  const text = request.text ?? ''
  if (text.includes('\0')) throw new RangeError('a parameter contains a NUL character')
  const payload = text === '' ? Buffer.alloc(0) : Buffer.from(`${text}\0`)
  if (payload.length > MOST_TEXT_BYTES) throw new RangeError(`parameters exceed ${MOST_TEXT_BYTES} bytes`)
  const header = Buffer.alloc(REQUEST_BYTES)
  header.writeUInt32LE(MODES[request.mode], OFFSET.mode)
  header.writeUInt32LE(OPERATIONS[request.op], OFFSET.op)
  header.write(DRIVER, OFFSET.driver, 'latin1')
  header.writeUInt32LE(REQUEST_BYTES + payload.length, OFFSET.length)
  header.writeInt32LE(request.tid ?? -1, OFFSET.tid)
  header.writeBigUInt64LE(BigInt(request.sid ?? 0), OFFSET.sid)
  header.writeBigUInt64LE(BigInt(request.lun ?? 0), OFFSET.lun)
  header.writeUInt32LE(request.cid ?? 0, OFFSET.cid)
  header.writeUInt32LE(request.force ? 1 : 0, OFFSET.force)
  return Buffer.concat([header, payload])
}

/** What a response says: tgtd's code, 0 for success, and its text without the NUL. */
export interface TgtResponse {
  readonly rc: number
  readonly text: string
}

/**
 * Reads a response. `undefined` while bytes are missing. tgtd counts the header into the length it announces, and sends
 * no text with an error.
 */
export function decodeResponse(bytes: Buffer): TgtResponse | undefined {
  if (bytes.length < RESPONSE_HEADER_BYTES) return undefined
  const rc = bytes.readUInt32LE(0)
  const length = bytes.readUInt32LE(4)
  if (bytes.length < length) return undefined
  const text = bytes.toString('utf8', RESPONSE_HEADER_BYTES, Math.max(RESPONSE_HEADER_BYTES, length))
  return { rc, text: text.replace(/\0+$/, '') }
}

/**
 * Joins parameters to the text tgtd expects. Throws `RangeError` for a value with a comma or a line break: tgtd would
 * take what follows for another parameter, or its listings could not be read back.
 */
export function joinParameters(parameters: Readonly<Record<string, string | number>>): string {
  return Object.entries(parameters)
    .map(([key, value]) => {
      const text = String(value)
      if (/[,\n\r]/.test(text)) throw new RangeError(`${key} contains a comma or a line break`)
      return `${key}=${text}`
    })
    .join(',')
}
