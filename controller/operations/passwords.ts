import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify(argon2)

/** OWASP's smallest recommended parameters of Argon2id: 19 MiB, two passes, one lane. Stored with each hash. */
const COST = { memory: 19_456, passes: 2, parallelism: 1 }
const TAG_BYTES = 32

/** An Argon2id hash in PHC string format, salted anew each time. Takes some 30 ms of another thread. */
export async function hashPassword(password: string): Promise<string> {
  const nonce = randomBytes(16)
  const tag = await tagOf(password, nonce, COST)
  const { memory, passes, parallelism } = COST
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${plain(nonce)}$${plain(tag)}`
}

/** Whether the password is that of the hash. Against `undefined`, no such user, it takes as long and is false. */
export async function isPassword(password: string, hash: string | undefined): Promise<boolean> {
  const [, memory, passes, parallelism, salt, expected] =
    /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/.exec(hash ?? (await nobody())) ?? []
  if (salt === undefined || expected === undefined) return false
  const cost = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) }
  const tag = await tagOf(password, Buffer.from(salt, 'base64'), cost)
  const right = Buffer.from(expected, 'base64')
  return timingSafeEqual(tag, right) && hash !== undefined
}

let ofNobody: Promise<string> | undefined

function nobody(): Promise<string> {
  ofNobody ??= hashPassword(randomBytes(16).toString('hex'))
  return ofNobody
}

async function tagOf(password: string, nonce: Buffer, cost: typeof COST): Promise<Buffer> {
  return await derive('argon2id', { message: Buffer.from(password), nonce, tagLength: TAG_BYTES, ...cost })
}

function plain(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '')
}
