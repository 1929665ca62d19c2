import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { expect } from 'vitest'

type Answer = Readonly<Record<string, unknown>>
type Done = (error: Error | undefined, answer: Answer) => void
type Asked = Record<string, unknown>
interface Client {
  once(event: 'ready' | 'error', listener: (error?: Error) => void): void
  executeSync(command: string, params: Asked, done: Done): void
  executeAsync(command: string, params: Asked, done: Done): void
  execute(command: string, params: Asked, done: Done): void
}
interface Options {
  readonly baseUrl: string
  readonly apiKey: string
  readonly secretKey: string
  readonly singleExecutor?: boolean
  readonly pollingTime: number
  readonly pollingNumber: number
}

const require = createRequire(import.meta.url)
// The package carries no types; these are what its README says.
const CloudStackClient = require('csclient') as new (options: Options) => Client

/** The life of a volume by npm's csclient, in both of its modes. */
export async function tourByCsclient(access: Pick<Options, 'baseUrl' | 'apiKey' | 'secretKey'>): Promise<void> {
  const polling = { pollingTime: 20, pollingNumber: 1000 }
  const separate = new CloudStackClient({ ...access, ...polling })
  const sync = promisify(separate.executeSync.bind(separate))
  const single = new CloudStackClient({ ...access, ...polling, singleExecutor: true })
  await new Promise((resolve, reject) => {
    single.once('ready', resolve)
    single.once('error', reject)
  })
  const execute = promisify(single.execute.bind(single))
  const one = async (command: string, params: Asked, key: string) => await listed(sync, { command, params, key })

  const zone = (await one('listZones', {}, 'zone'))[0]?.['id']
  const service = (await one('listServiceOfferings', {}, 'serviceoffering'))[0]?.['id']
  const template = (await one('listTemplates', { templatefilter: 'all' }, 'template'))[0]?.['id']
  const offerings = await one('listDiskOfferings', {}, 'diskoffering')
  const offering = offerings.find(({ iscustomized }) => iscustomized === true)?.['id']

  // Parameters of csclient are its own: it adds command, key and signature to them.
  const vm = of(
    await execute('deployVirtualMachine', {
      zoneid: zone,
      serviceofferingid: service,
      templateid: template,
      name: 'csclient',
    }),
    'virtualmachine',
  )
  expect(vm).toMatchObject({ name: 'csclient', state: 'Running' })
  const name = "csclient é ~ * ! ' ( ) [1] + &="
  const volume = of(await execute('createVolume', { zoneid: zone, diskofferingid: offering, size: 1, name }), 'volume')
  expect(volume).toMatchObject({ name, state: 'Allocated', size: 1024 ** 3 })
  const { id } = volume
  const attached = await execute('attachVolume', { id, virtualmachineid: vm['id'] })
  expect(of(attached, 'volume')).toMatchObject({ state: 'Ready', virtualmachineid: vm['id'] })
  const tags = [{ key: 'made by', value: 'csclient ~*' }]
  await execute('createTags', { resourcetype: 'Volume', resourceids: id, tags })
  expect((await one('listVolumes', { id }, 'volume'))[0]).toMatchObject({ tags })
  await expect(execute('resizeVolume', { id, size: 0 })).rejects.toMatchObject({
    name: 'CloudstackAPIError',
    code: 431,
  })
  await expect(sync('listVolumes', { id: 'no-id' })).rejects.toThrow(/Invalid parameter id value=no-id/)
  const asynchronous = promisify(separate.executeAsync.bind(separate))
  expect(of(await asynchronous('detachVolume', { id }), 'volume')).not.toHaveProperty('virtualmachineid')
  expect(await sync('deleteVolume', { id })).toEqual({ deletevolumeresponse: { success: true } })
  await execute('destroyVirtualMachine', { id: vm['id'], expunge: true })
  expect(await sync('listVolumes', { id })).toEqual({ listvolumesresponse: {} })
}

async function listed(
  sync: (command: string, params: Asked) => Promise<Answer>,
  asked: { readonly command: string; readonly params: Asked; readonly key: string },
): Promise<readonly Answer[]> {
  const answer = await sync(asked.command, asked.params)
  const inside = answer[`${asked.command.toLowerCase()}response`] as Readonly<Record<string, readonly Answer[]>> // As CloudStack's lists are.
  return inside[asked.key] ?? []
}

/** The object of a finished job. */
function of(answer: Answer, key: string): Answer {
  const result = answer['jobresult'] as Readonly<Record<string, Answer>> // As CloudStack's jobs end.
  return result[key] ?? {}
}
