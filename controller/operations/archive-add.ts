import { randomBytes, randomUUID } from 'node:crypto'
import type { ArchivePlugin, ArchiveReport } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { archiveOfIdentity, insertArchive } from '../store/archives.ts'
import { jsonb } from '../store/json.ts'
import { zoneNow, zonesNow } from '../store/queries/places.ts'
import { sealArchiveKey, sealSettings } from '../store/registrations.ts'
import type { Tx } from '../store/store.ts'
import { probe } from './probe.ts'
import { readRegistration, type Registration } from './settings.ts'
import { type By, note } from './submit.ts'
import { unlessTaken } from './taken.ts'

/** An archive to register. `key` absent: one is drawn. `chunkBytes`: a power of two from 256 KiB to 4 MiB. */
export interface ArchiveRequest {
  readonly name?: string
  readonly zone: string
  readonly provider: string
  readonly url: string
  readonly details: Readonly<Record<string, string>>
  readonly encrypted: boolean
  readonly key?: string
  readonly chunkBytes: number
}

/** Lengths of chunks that an archive may have, in bytes. */
export const CHUNK_BYTES = [262_144, 524_288, 1_048_576, 2_097_152, 4_194_304] as const

const KEY = /^moorage-key-1\.[A-Za-z0-9_-]{43}$/
const KEY_BYTES = 32

/**
 * Registers an archive that has just proven what it is and keeps, and answers its id. Refuses, with nothing stored: an
 * unknown provider, a setting that is wrong, a store that does not answer or denies, one that is registered already, a key
 * that is none. Callers are operators.
 */
export async function addArchive(by: By, request: ArchiveRequest): Promise<string> {
  const { store, plugins, installation } = by.system
  const plugin = pluginOf(by, request.provider)
  const registration = readRegistration(plugin, request)
  const key = keyOf(request)
  if (!(await zoneNow(store.reader, request.zone))) throw noZone()
  const endpoint = {
    url: registration.url,
    settings: { ...registration.settings, ...registration.secrets },
    owner: installation,
  }
  const report = await probe('The archive', (call) => plugins.probeArchive(plugin.name, endpoint, call))
  return unlessTaken('The archive that parameter url names is registered already', () =>
    store.transact((tx) => add(by, tx, { request, plugin, registration, report, key })),
  )
}

/** A bucket to register, as CloudStack spells it. `zone` absent: the only one there is. */
export interface BucketRequest extends Omit<ArchiveRequest, 'url' | 'provider' | 'zone' | 'details'> {
  readonly zone?: string
  /** `HOST[:PORT]`. */
  readonly endpoint: string
  readonly bucket: string
  readonly tls: boolean
  readonly settings: Readonly<Record<string, string>>
}

/** As `addArchive`, of a bucket of S3. Refuses, naming the parameter, what makes no url, and where several zones could be meant. */
export async function addBucket(by: By, request: BucketRequest): Promise<string> {
  const { endpoint, bucket, tls, settings, zone, ...how } = request
  const url = `${tls ? 's3' : 's3+http'}://${endpoint}/${bucket}`
  if (!/^[^/@?#\s]+$/.test(endpoint))
    throw new Refusal(
      'INVALID',
      'Invalid parameter endpoint: it must be HOST or HOST:PORT; usehttps says whether by TLS',
    )
  if (!/^[^/@?#\s]+$/.test(bucket)) throw new Refusal('INVALID', 'Invalid parameter bucket: it must name a bucket')
  return addArchive(by, { ...how, url, provider: 's3', details: settings, zone: zone ?? (await onlyZone(by)) })
}

async function onlyZone({ system }: By): Promise<string> {
  const [zone, ...others] = await zonesNow(system.store.reader)
  if (zone !== undefined && others.length === 0) return zone
  throw new Refusal('INVALID', 'Invalid parameter zoneid: it must name the zone, since there is not exactly one')
}

async function add(
  by: By,
  tx: Tx,
  what: {
    readonly request: ArchiveRequest
    readonly plugin: ArchivePlugin
    readonly registration: Registration
    readonly report: ArchiveReport
    readonly key: string | undefined
  },
): Promise<string> {
  const { request, plugin, registration, report, key } = what
  if (!(await zoneNow(tx, request.zone))) throw noZone()
  const known = await archiveOfIdentity(tx, { provider: plugin.name, identity: report.identity })
  if (known !== undefined)
    throw new Refusal('INVALID', `The archive that parameter url names is registered already, as ${known}`)
  const id = randomUUID()
  const name = request.name ?? registration.url
  await insertArchive(tx, {
    id,
    zoneId: request.zone,
    name,
    provider: plugin.name,
    url: registration.url,
    settings: jsonb(registration.settings),
    sealedSettings: sealSettings(by.system.store, { kind: 'archive', id }, registration.secrets),
    identity: report.identity,
    sealedKey: sealArchiveKey(by.system.store, id, key),
    chunkBytes: request.chunkBytes,
    conditionalPut: report.conditionalPut,
    totalBytes: report.totalBytes ?? null,
    usedBytes: report.usedBytes ?? null,
    reportedAt: new Date(),
  })
  await note(tx, by, {
    type: 'IMAGE.STORE.CREATE',
    description: `Registered archive ${name} with provider ${plugin.name}`,
    resource: { kind: 'ImageStore', id },
  })
  return id
}

function keyOf({ encrypted, key }: ArchiveRequest): string | undefined {
  if (!encrypted) {
    if (key === undefined) return undefined
    throw new Refusal('INVALID', 'Parameters key and encrypted=false exclude each other')
  }
  if (key === undefined) return `moorage-key-1.${randomBytes(KEY_BYTES).toString('base64url')}`
  if (KEY.test(key)) return key
  throw new Refusal(
    'INVALID',
    'Invalid parameter key: it must be moorage-key-1. followed by 32 bytes as 43 characters of base64url',
  )
}

function pluginOf({ system }: By, asked: string): ArchivePlugin {
  const known = [...system.plugins.archives.values()]
  const plugin = known.find(({ name }) => name.toLowerCase() === asked.toLowerCase())
  if (plugin) return plugin
  const names = known.map(({ name }) => name).join(', ')
  const hint = /^(nfs|smb)$/i.test(asked) ? '. Mount the share where the movers are, and name its directory' : ''
  throw new Refusal(
    'INVALID',
    `Invalid parameter provider: there is no archive provider ${asked}; known are ${names}${hint}`,
  )
}

function noZone(): Refusal {
  return new Refusal('NOT_FOUND', 'Unable to find the zone that parameter zoneid names')
}
