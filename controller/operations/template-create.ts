import { randomUUID } from 'node:crypto'
import type { Checksum, ImageFormat } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { checkLimits } from '../sagas/limits.ts'
import { templateCreate, type TemplateSource } from '../sagas/template-create.ts'
import { hold } from '../store/held.ts'
import { hypervisorOfZone, zoneNow, zonesNow } from '../store/queries/places.ts'
import { snapshotStanding, volumeStanding } from '../store/queries/standing.ts'
import type { Tx } from '../store/store.ts'
import { insertTemplate } from '../store/templates.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { osTypeOf } from './os-types.ts'
import { checkArchivable } from './snapshot-archive.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** How a template is called and shown. */
interface Shown {
  readonly name: string
  readonly displayText?: string
  /** Id of an OS type. */
  readonly osType?: string
  readonly public: boolean
  readonly featured: boolean
}

/** A template to fetch from a web server, for `account`. */
export interface ImportRequest extends Shown {
  readonly account: string
  readonly url: URL
  readonly format: string
  readonly hypervisor: string
  /** Absent: the only one there is. */
  readonly zone?: string
  readonly checksum?: string
}

/** A template to make of a snapshot or a volume: of one of them. */
export interface TemplateCreation extends Shown {
  readonly snapshot?: string
  readonly volume?: string
}

/**
 * Records a template, which an operation then fetches into the archive of its zone; answers its id. Throws `Refusal` `INVALID`
 * naming the parameter.
 */
export async function importTemplate(by: By, request: ImportRequest): Promise<string> {
  const { account, url, hypervisor } = request
  const format = formatOf(request.format)
  const checksum = checksumOf(request.checksum)
  if (url.username !== '' || url.password !== '')
    throw new Refusal(
      'INVALID',
      'Invalid parameter url: it must not hold a user or a password, since it is stored and shown',
    )
  const from = { kind: 'url', url: url.href, format, ...(checksum && { checksum }) } as const
  const { id } = await carriedOut(by, async (tx) => {
    const zone = await zoneFor(tx, request.zone)
    const place = { account, zone, hypervisor, url: url.href, format: request.format }
    await checkLimits(tx, account, { templates: 1, secondaryBytes: 1 })
    return create(tx, by, { ...place, shown: request, from, command: 'registerTemplate' })
  })
  return id
}

/**
 * Submits making a template of a snapshot, or of a volume that nobody writes to. Refuses, where no operation is
 * open on it, what is not so.
 */
export async function createTemplate(by: By, request: TemplateCreation): Promise<Submitted> {
  const { snapshot, volume } = request
  if ((snapshot === undefined) === (volume === undefined))
    throw new Refusal('INVALID', 'Invalid parameters snapshotid, volumeid: one of them must be given')
  return await carriedOut(by, async (tx) => {
    const from = snapshot === undefined ? await volumeFrom(tx, volume ?? '') : await snapshotFrom(tx, snapshot)
    const { account, zone, bytes } = from
    await checkLimits(tx, account, { templates: 1, secondaryBytes: bytes })
    const hypervisor = await hypervisorOfZone(tx, zone)
    if (hypervisor === undefined)
      throw new Refusal('INVALID', 'The zone has no cluster, which would tell for which hypervisor the template is')
    const place = { account, zone, hypervisor, url: '', format: 'RAW' }
    return create(tx, by, { ...place, shown: request, from: from.source, command: 'createTemplate' })
  })
}

async function create(
  tx: Tx,
  by: By,
  what: {
    readonly account: string
    readonly zone: string
    readonly hypervisor: string
    readonly url: string
    readonly format: string
    readonly shown: Shown
    readonly from: TemplateSource
    readonly command: string
  },
): Promise<{ readonly operation: string; readonly id: string }> {
  const { account, zone, shown, from, command, ...more } = what
  const { name, displayText = name } = shown
  await checkArchivable(tx, zone, 'template')
  const id = randomUUID()
  await insertTemplate(tx, {
    id,
    accountId: account,
    zoneId: zone,
    name,
    displayText,
    ...more,
    image: '',
    bytes: 0,
    checksum: '',
    state: 'Creating',
    osType: osTypeOf(shown.osType),
    public: shown.public,
    featured: shown.featured,
  })
  const operation = await submit(tx, by, {
    command,
    head: templateCreate,
    input: { template: id, from },
    event: {
      type: 'TEMPLATE.CREATE',
      description: `Creating template ${name}`,
      account,
      resource: { kind: 'Template', id },
    },
  })
  // From here on its status is what the operation says.
  await hold(tx, 'template', { id, operation })
  return { operation, id }
}

async function zoneFor(tx: Tx, asked: string | undefined): Promise<string> {
  if (asked !== undefined) return certain(await zoneNow(tx, asked), 'zoneid').id
  const [only, ...others] = await zonesNow(tx)
  if (only !== undefined && others.length === 0) return only
  throw new Refusal(
    'INVALID',
    'Invalid parameter zoneid: a template that is fetched lies in the secondary storage of one zone',
  )
}

async function snapshotFrom(tx: Tx, id: string) {
  const { accountId: account, zoneId: zone, bytes, state, busy } = certain(await snapshotStanding(tx, id), 'snapshotid')
  if (!busy && state !== 'BackedUp')
    throw new Refusal(
      'INVALID',
      `Invalid parameter snapshotid: snapshot ${id} is in state ${state}, it must be in BackedUp`,
    )
  return { account, zone, bytes, source: { kind: 'snapshot', snapshot: id } } as const
}

async function volumeFrom(tx: Tx, id: string) {
  const {
    accountId: account,
    zoneId: zone,
    bytes,
    state,
    busy,
    vmState,
  } = certain(await volumeStanding(tx, id), 'volumeid')
  if (!busy && state !== 'Ready')
    throw new Refusal('INVALID', `Invalid parameter volumeid: volume ${id} is in state ${state}, it must be in Ready`)
  if (!busy && vmState !== null && vmState !== 'Stopped')
    throw new Refusal(
      'INVALID',
      'Invalid parameter volumeid: its virtual machine must be stopped, or the volume detached',
    )
  return { account, zone, bytes, source: { kind: 'volume', volume: id } } as const
}

function formatOf(format: string): ImageFormat {
  const name = format.toLowerCase()
  if (name === 'raw' || name === 'qcow2') return name
  throw new Refusal('INVALID', 'Invalid parameter format: what is fetched must be RAW or QCOW2')
}

/** Digits of a digest in hexadecimal, by which one without a name is known. */
const ALGORITHMS: readonly (readonly [Checksum['algorithm'], number])[] = [
  ['md5', 32],
  ['sha-1', 40],
  ['sha-224', 56],
  ['sha-256', 64],
  ['sha-384', 96],
  ['sha-512', 128],
]

/** As CloudStack writes it: `{SHA-256}` and so on before the digits, or the digits alone. */
function checksumOf(text: string | undefined): Checksum | undefined {
  if (text === undefined) return undefined
  const [, name, digits = ''] = /^(?:\{([^}]+)\})?([0-9a-f]+)$/i.exec(text) ?? []
  const [algorithm] =
    ALGORITHMS.find(
      ([known, length]) => length === digits.length && (name === undefined || known === name.toLowerCase()),
    ) ?? []
  if (algorithm !== undefined) return { algorithm, value: digits.toLowerCase() }
  throw new Refusal(
    'INVALID',
    'Invalid parameter checksum: it must be the hexadecimal digits of an MD5 or SHA digest, with or without its name, as {SHA-256}, before them',
  )
}
