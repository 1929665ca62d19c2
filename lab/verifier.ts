import { execFile, spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Chap, Connection, HostId, VolumeId } from '@moorage/contract'
import { wireClient } from '@moorage/wire'
import { labCall } from './guest.ts'

const run = promisify(execFile)
const VERIFIER = 'iqn.2026-01.cloud.moorage:verifier'

/** Reads what is on a volume through a path that Moorage does not own: qemu-img over iSCSI, as an initiator of its own. */
export interface Verifier {
  /** SHA-256 of the whole volume. */
  digest(volume: string): Promise<string>
  /** SHA-256 of one file in the ext4 file system on the volume, read by debugfs from a copy. */
  fileDigest(volume: string, path: string): Promise<string>
  /** The first bytes of the volume. */
  head(volume: string, bytes: number): Promise<Buffer>
  /** What the target says to a log-in under that name with the right secret; throws when it lets it in. */
  refusal(volume: string, initiator: string): Promise<string>
  /** Logs in with a wrong secret, and under a name that is not admitted; answers what the target said to each. */
  refusals(volume: string): Promise<{ readonly wrongSecret: string; readonly foreignInitiator: string }>
}

/** Where the SAN is, whose volumes to read, and the fence under which the access is given (that of the last operation). */
export interface VerifierOptions {
  readonly san: { readonly url: string; readonly user: string; readonly password: string }
  readonly context: Readonly<Record<string, string>>
  fence(): Promise<number>
}

/** Makes a verifier. It gives itself access to a volume for the time of each reading, and takes it back. */
export function verifier(options: VerifierOptions): Verifier {
  const remote = wireClient(options.san)
  const withAccess = async <Result>(volume: string, work: (to: Target) => Promise<Result>): Promise<Result> => {
    const source = { kind: 'volume', id: volume as VolumeId } as const // Ids of volumes come from the API as text.
    const consumer = { kind: 'mover', id: randomUUID() as HostId, initiator: VERIFIER } as const // Any id: it is gone after the reading.
    const fence = await options.fence()
    const exposure = { source, consumer, mode: 'rw', account: 'verifier' }
    const connection = await remote<Connection>(
      'access/expose',
      { ...options.context, exposure },
      labCall(10_000, fence),
    )
    try {
      if (connection.via !== 'iscsi' || !connection.chap) throw new Error('the SAN gave no iSCSI connection with CHAP')
      return await work({ portal: connection.portal, iqn: connection.iqn, lun: connection.lun, chap: connection.chap })
    } finally {
      await remote('access/withdraw', { ...options.context, access: { source, consumer } }, labCall(10_000, fence))
    }
  }
  return {
    digest: (volume) => withAccess(volume, (target) => withCopy(target, digestOfFile)),
    fileDigest: (volume, path) =>
      withAccess(volume, (target) => withCopy(target, (copy) => digestOfExt4File(copy, path))),
    head: (volume, bytes) =>
      withAccess(volume, (target) => withCopy(target, async (copy) => (await readFile(copy)).subarray(0, bytes))),
    refusal: (volume, initiator) => withAccess(volume, (target) => refusal(target, initiator)),
    refusals: (volume) =>
      withAccess(volume, async (target) => ({
        wrongSecret: await refusal({ ...target, chap: { ...target.chap, secret: 'wrongsecret12' } }, VERIFIER),
        foreignInitiator: await refusal(target, 'iqn.2026-01.cloud.moorage:stranger'),
      })),
  }
}

interface Target {
  readonly portal: string
  readonly iqn: string
  readonly lun: number
  readonly chap: Chap
}

/** Copies the target's bytes to a sparse file for the time of `work`. */
async function withCopy<Result>(target: Target, work: (copy: string) => Promise<Result>): Promise<Result> {
  return withSecret(target, async (dir, secret) => {
    const copy = join(dir, 'copy.raw')
    await run('qemu-img', ['convert', ...secret, '--image-opts', image(target, VERIFIER), '-O', 'raw', copy])
    return work(copy)
  })
}

/** What the target says to a log-in that it must refuse; throws when it does not refuse. */
async function refusal(target: Target, initiator: string): Promise<string> {
  return withSecret(target, async (_dir, secret) => {
    try {
      await run('qemu-img', ['info', ...secret, '--image-opts', image(target, initiator)], { timeout: 20_000 })
    } catch (error) {
      const said = /Status: ([^\n]*?\(\d+\))/.exec(String(error instanceof Error ? error.message : error))
      if (said?.[1] !== undefined) return said[1]
      throw error
    }
    throw new Error(`the SAN let ${initiator} in`)
  })
}

/** Hands the secret over in a file: an argument would show in the list of processes. */
async function withSecret<Result>(
  target: Target,
  work: (dir: string, args: readonly string[]) => Promise<Result>,
): Promise<Result> {
  const dir = mkdtempSync(join(tmpdir(), 'moorage-verify-'))
  try {
    const file = join(dir, 'secret')
    writeFileSync(file, target.chap.secret, { mode: 0o600 })
    return await work(dir, ['--object', `secret,id=chap,file=${file}`])
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function image(target: Target, initiator: string): string {
  const { portal, iqn, lun, chap } = target
  return `driver=iscsi,transport=tcp,portal=${portal},target=${iqn},lun=${lun},user=${chap.user},password-secret=chap,initiator-name=${initiator}`
}

/** SHA-256 of a file, in hexadecimal digits. */
export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer) // No encoding is set: chunks are buffers.
  return hash.digest('hex')
}

async function digestOfExt4File(image: string, path: string): Promise<string> {
  const hash = createHash('sha256')
  const reader = spawn('debugfs', ['-R', `cat ${path}`, image], { stdio: ['ignore', 'pipe', 'ignore'] })
  for await (const chunk of reader.stdout) hash.update(chunk as Buffer) // No encoding is set: chunks are buffers.
  return hash.digest('hex')
}
