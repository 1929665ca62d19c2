import { createHash, generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { refuse } from './refusals.ts'
import { recordStandIn } from './stand-ins.ts'
import type { By } from './submit.ts'

const KIND = { kind: 'sshkeypair', what: 'SSH key pair' } as const

/** A key pair to record. `account`: whose. */
interface Named {
  readonly account: string
  readonly name: string
}

/** Records a public key, as it stands in a file of OpenSSH, and answers the record's id. Throws `Refusal` `INVALID` for what is none. */
export async function registerKeyPair(by: By, asked: Named & { readonly publicKey: string }): Promise<string> {
  return await record(by, asked, { command: 'registerSSHKeyPair', publicKey: asked.publicKey })
}

/** Makes an RSA key pair of 2048 bits and records its public key. Only this answer ever holds the private one, as PEM. */
export async function createKeyPair(
  by: By,
  asked: Named,
): Promise<{ readonly id: string; readonly privateKey: string }> {
  const pair = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const { n = '', e = '' } = pair.publicKey.export({ format: 'jwk' })
  const blob = Buffer.concat([sized(Buffer.from('ssh-rsa')), sized(number(e)), sized(number(n))])
  const id = await record(by, asked, { command: 'createSSHKeyPair', publicKey: `ssh-rsa ${blob.toString('base64')}` })
  return { id, privateKey: pair.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString() }
}

async function record(
  by: By,
  { account, name }: Named,
  { command, publicKey }: { readonly command: string; readonly publicKey: string },
): Promise<string> {
  const [type = '', base64 = ''] = publicKey.trim().split(/\s+/)
  const blob = Buffer.from(base64, 'base64')
  // A key says its type twice: before the key, and in its first bytes.
  if (type === '' || !blob.subarray(0, type.length + 4).equals(sized(Buffer.from(type))))
    throw refuse('INVALID', 'Invalid parameter publickey: it must read as in a file of OpenSSH, TYPE BASE64')
  const attributes = { publickey: `${type} ${base64}`, fingerprint: fingerprintOf(blob) }
  return await recordStandIn(by, { ...KIND, command, account, name, attributes })
}

/** MD5, as CloudStack shows it: to recognise a key, not to trust it. */
function fingerprintOf(blob: Buffer): string {
  return createHash('md5')
    .update(blob)
    .digest('hex')
    .replaceAll(/(..)(?!$)/g, '$1:')
}

/** A field of the wire format of SSH: its length, and it. */
function sized(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** A number of the wire format of SSH, from its digits in base 64: a first bit that is set would make it negative. */
function number(digits: string): Buffer {
  const bytes = Buffer.from(digits, 'base64url')
  return (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes
}
