import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Refusal } from '../domain/failures.ts'
import { checkLimits } from '../sagas/limits.ts'
import { templateDelete } from '../sagas/template-delete.ts'
import { templateNow, zoneNow } from '../store/queries/places.ts'
import { insertTemplate } from '../store/templates.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { osTypeOf } from './os-types.ts'
import { importTemplate } from './template-create.ts'
import { type By, carriedOut, note, submit } from './submit.ts'

/** A template to register, for `account`. `zone` absent: in every zone. */
export interface TemplateRequest {
  readonly account: string
  readonly name: string
  readonly displayText?: string
  readonly url: string
  readonly format: string
  readonly hypervisor: string
  readonly zone?: string
  readonly checksum?: string
  /** Id of an OS type. */
  readonly osType?: string
  readonly public: boolean
  readonly featured: boolean
}

/** What a url names: a boot image that hosts hold under a name, or none. */
interface Image {
  readonly name: string
  readonly bytes: number
  /** SHA-256 in hexadecimal; '' where the controller cannot see the bytes. */
  readonly checksum: string
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/i

/**
 * Registers a template and answers its id. One that is on a web server is fetched into an archive (`importTemplate`). Else its url is `image://NAME` or NAME alone, a boot image that the hosts hold under that name
 * (`image://none`: machines without a guest), or `file:///path/NAME` of a file on the controller's machine, which hosts
 * hold under its name. Throws `Refusal` `INVALID` naming the parameter.
 */
export async function registerTemplate(by: By, request: TemplateRequest): Promise<string> {
  if (request.name === '') throw new Refusal('INVALID', 'Invalid parameter name: it must not be empty')
  const known = [...by.system.plugins.hypervisors.values()].map((plugin) => plugin.hypervisor)
  const hypervisor = known.find((one) => one.toLowerCase() === request.hypervisor.toLowerCase())
  if (hypervisor === undefined)
    throw new Refusal('INVALID', `Invalid parameter hypervisor: it must be one of ${[...new Set(known)].join(', ')}`)
  const web = URL.parse(request.url)
  if (web && /^https?:$/.test(web.protocol)) return importTemplate(by, { ...request, url: web, hypervisor })
  const osType = osTypeOf(request.osType)
  const image = await imageOf(request)
  const id = randomUUID()
  await carriedOut(by, async (tx) => {
    await checkLimits(tx, request.account, { templates: 1 })
    if (request.zone !== undefined) certain(await zoneNow(tx, request.zone), 'zoneid')
    await insertTemplate(tx, {
      id,
      accountId: request.account,
      zoneId: request.zone ?? null,
      name: request.name,
      displayText: request.displayText ?? request.name,
      format: request.format,
      hypervisor,
      url: request.url,
      image: image.name,
      bytes: image.bytes,
      checksum: image.checksum,
      osType,
      public: request.public,
      featured: request.featured,
    })
    const resource = { kind: 'Template', id }
    const description = `Registered template ${request.name}`
    await note(tx, by, { type: 'TEMPLATE.CREATE', description, account: request.account, resource })
  })
  return id
}

/** Submits the removal of a template from new VMs; those made of it live on. */
export async function deleteTemplate(by: By, id: string): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const template = certain(await templateNow(tx, id), 'id')
    if (by.caller.role !== 'admin' && template.accountId !== by.caller.accountId)
      throw new Refusal('DENIED', 'The template is not of your account')
    const operation = await submit(tx, by, {
      command: 'deleteTemplate',
      head: templateDelete,
      input: { template: id },
      event: {
        type: 'TEMPLATE.DELETE',
        description: `Removing template ${template.name}`,
        account: template.accountId,
        resource: { kind: 'Template', id },
      },
    })
    return { operation, id }
  })
}

async function imageOf(request: TemplateRequest): Promise<Image> {
  const url = URL.canParse(request.url) ? new URL(request.url) : undefined
  if (url === undefined && NAME.test(request.url)) return { name: request.url, bytes: 0, checksum: '' }
  if (url?.protocol === 'image:') return { name: nameOf(url.host), bytes: 0, checksum: '' }
  if (url?.protocol !== 'file:')
    throw new Refusal(
      'INVALID',
      'Invalid parameter url: it must be http, https, image://NAME (or NAME alone) or file:///path',
    )
  const file = fileURLToPath(url)
  const found = await stat(file).catch(() => undefined)
  if (!found?.isFile())
    throw new Refusal('INVALID', 'Invalid parameter url: there is no such file on the machine of the controller')
  const checksum = await digestOf(file)
  const asked = request.checksum?.replace(/^\{SHA-256\}/i, '').toLowerCase()
  if (asked !== undefined && asked !== checksum)
    throw new Refusal('INVALID', 'Invalid parameter checksum: it is not the SHA-256 of the file')
  return { name: nameOf(path.basename(file)), bytes: found.size, checksum }
}

function nameOf(name: string): string {
  if (NAME.test(name)) return name
  throw new Refusal(
    'INVALID',
    'Invalid parameter url: the name of an image has letters, digits, dot, dash and underscore',
  )
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer) // No encoding is set: chunks are buffers.
  return hash.digest('hex')
}
