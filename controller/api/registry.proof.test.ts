import { createHmac, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROLES } from '../operations/context.ts'
import { makeGround, startController, type TestController } from '../testing.ts'
import type { Answered, Asked, TestClient } from '../testing-client.ts'
import type { Command } from './command.ts'
import { envelopeOf } from './envelope.ts'
import { COMMANDS } from './registry.ts'
import type { FieldType, Shape } from './shape.ts'
import { entitiesOf, type Known, neededBy } from './testing.ts'

const someText: unknown = expect.any(String)
const someNumber: unknown = expect.any(Number)
const someSwitch: unknown = expect.any(Boolean)
const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern)
const containing = (part: string): unknown => expect.stringContaining(part)

let controller: TestController
let user: TestClient
let known: Known

beforeAll(async () => {
  controller = await startController()
  const ground = await makeGround(controller)
  user = await controller.user()
  known = await entitiesOf(controller, ground)
})
afterAll(() => controller.stop())

const authenticated = COMMANDS.filter(({ open }) => open !== true)
const lists = authenticated.filter(({ response }) => response.list === true)
const each = (commands: readonly Command[]) => commands.map((command) => [command.name, command] as const)

async function raw(
  command: Command,
  params: Asked,
  method: 'GET' | 'POST',
): Promise<{ readonly status: number; readonly text: string }> {
  const all = Object.entries({ command: command.name, apiKey: controller.keys.apiKey, response: 'json', ...params })
  const query = all
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value ?? '')}`)
    .toSorted()
    .join('&')
  const signature = createHmac('sha1', controller.keys.secretKey).update(query.toLowerCase()).digest('base64')
  const signed = `${query}&signature=${encodeURIComponent(signature)}`
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const answered =
    method === 'GET'
      ? await fetch(`${controller.url}?${signed}`)
      : await fetch(controller.url, { method: 'POST', headers, body: signed })
  return { status: answered.status, text: await answered.text() }
}

test('no two commands have a name in common, and every kind of entity can be named', () => {
  expect(new Set(COMMANDS.map(({ name }) => name.toLowerCase())).size).toBe(COMMANDS.length)
})

describe.each(each(COMMANDS))('%s', (name, command) => {
  test('is declared whole, and listApis tells all of it', async () => {
    expect(command.roles.length).toBeGreaterThan(0)
    for (const role of command.roles) expect(ROLES).toContain(role)
    const [api = {}] = await controller.api.list('listApis', { name })
    expect(api).toMatchObject({ name, description: matching(/\.$/), isasync: command.kind !== 'sync' })
    const params = api['params'] as readonly Answered[] // What listApis declares; its contents are checked here.
    for (const param of params) {
      expect(param['name']).toMatch(/^[a-z0-9]+$/)
      expect(param).toMatchObject({ description: matching(/../), type: someText })
      expect(param).toMatchObject({ length: someNumber, required: someSwitch })
    }
    const declared = Object.keys(command.params)
    const paged = command.response.list === true ? ['page', 'pagesize'] : []
    expect(params.map((param) => param['name'])).toEqual([...declared, ...paged])
    const fields = api['response'] as readonly Answered[] // As above.
    expect(fields.map((one) => one['name'])).toEqual(Object.keys(command.response.shape))
    for (const one of fields) expect(one).toMatchObject({ description: matching(/../), type: someText })
  })
})

describe.each(each(authenticated))('%s', (name, command) => {
  const lower = name.toLowerCase()
  const method = command.post === true ? 'POST' : 'GET'

  test('names each required parameter that is missing', async () => {
    for (const [param, { needed: isNeeded }] of Object.entries(command.params)) {
      if (!isNeeded) continue
      const { status, text } = await raw(command, neededBy(command, known, param), 'POST')
      const body: unknown = JSON.parse(text)
      expect({ status, body }).toEqual({
        status: 431,
        body: {
          [envelopeOf(command)]: {
            uuidList: [],
            errorcode: 431,
            cserrorcode: 4350,
            errortext: `Unable to execute API command ${lower} due to missing parameter ${param}`,
          },
        },
      })
    }
  })

  test('refuses ids that are none, and ids of nothing, in the words of CloudStack, whatever the case of the name', async () => {
    for (const [param, { entity }] of Object.entries(command.params)) {
      if (entity === undefined) continue
      for (const value of ['no-uuid', '0', '-2', '99999999999', "1' or '1'='1", randomUUID()]) {
        const { status, text } = await raw(
          command,
          { ...neededBy(command, known, param), [param.toUpperCase()]: value },
          method,
        )
        expect({ status, text }).toMatchObject({ status: 431, text: someText })
        expect(text).toContain(
          `Unable to execute API command ${lower} due to invalid value. Invalid parameter ${param} value=${value} due to ` +
            'incorrect long value format, or entity does not exist',
        )
      }
    }
  })

  test('refuses numbers, switches and dates that are none, naming the parameter', async () => {
    for (const [param, { type }] of Object.entries(command.params)) {
      if (!['integer', 'long', 'boolean', 'date'].includes(type)) continue
      for (const value of ['abc', '1e3', '0x10', '1.5']) {
        const { status, text } = await raw(command, { ...neededBy(command, known, param), [param]: value }, 'POST')
        expect({ status, text }).toMatchObject({ status: 431 })
        expect(text).toContain(`due to invalid value ${value} for parameter ${param}: it must be `)
      }
    }
  })

  test('refuses maps that cannot be read with 430', async () => {
    for (const [param, { type }] of Object.entries(command.params)) {
      if (type !== 'map') continue
      for (const wrong of [`${param}[x].a`, `${param}[0]a`, param]) {
        const { status, text } = await raw(command, { ...neededBy(command, known, param), [wrong]: 'v' }, 'POST')
        expect({ status, text }).toMatchObject({ status: 430, text: containing(param) })
      }
    }
  })

  test('is refused without credentials, and is unknown to whom it is not for', async () => {
    const answered = await fetch(`${controller.url}?command=${name}`, { method })
    expect(answered.status).toBe(401)
    if (command.roles.includes('user')) return
    const { status, answer } = await user.send(name)
    expect({ status, ...answer }).toMatchObject({ status: 432, errorcode: 432 })
  })
})

describe.each(each(lists))('%s', (_, command) => {
  test('answers the same by GET and by POST: the count first, then a page of what it declares', async () => {
    const get = await raw(command, neededBy(command, known), 'GET')
    expect(get).toMatchObject({ status: 200 })
    expect((await raw(command, neededBy(command, known), 'POST')).text.length).toBe(get.text.length)
    const envelope = JSON.parse(get.text) as Readonly<Record<string, Answered>> // One key over one object.
    expect(Object.keys(envelope)).toEqual([envelopeOf(command)])
    const answer = envelope[envelopeOf(command)] ?? {}
    if (Object.keys(answer).length === 0) return
    expect(Object.keys(answer)).toEqual(['count', command.response.key])
    const items = answer[command.response.key] as readonly Answered[] // As its key says.
    expect(items).toHaveLength(Math.min(Number(answer['count']), PAGE_SIZE))
    for (const item of items) {
      expect(Object.keys(command.response.shape)).toEqual(expect.arrayContaining(Object.keys(item)))
      expect(JSON.stringify(item)).not.toContain(':null')
      expect(mistyped(command.response.shape, item)).toEqual([])
    }
  })

  test('answers nothing but the count past its end, and {} when there is nothing', async () => {
    const { status, text } = await raw(command, { ...neededBy(command, known), page: 100_000, PageSize: 500 }, 'GET')
    expect(status).toBe(200)
    expect(text).toMatch(/^\{"\w+":\{("count":\d+)?\}\}$/)
  })

  test('pages without losing or repeating anything', async () => {
    const listed = async (more: Asked) =>
      await controller.api.list(command.name, { ...neededBy(command, known), ...more })
    const all = await listed({})
    const pages = []
    for (let page = 1; page <= Math.min(all.length, 4); page += 1) pages.push(...(await listed({ page, pagesize: 1 })))
    expect(pages.map(idOf)).toEqual(all.slice(0, pages.length).map(idOf))
    expect((await listed({ pagesize: -1 })).slice(0, PAGE_SIZE)).toHaveLength(all.length)
  })

  test('refuses pages that are too large or are none', async () => {
    for (const wrong of [{ pagesize: 501 }, { pagesize: 0 }, { page: 0 }, { page: 'x' }]) {
      const { status } = await raw(command, { ...neededBy(command, known), ...wrong }, 'GET')
      expect(status).toBe(431)
    }
  })
})

/** Whether a value of the type that `listApis` declares is answered, as CloudStack answers it. */
const TYPED: Readonly<Record<FieldType, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  integer: (value) => Number.isSafeInteger(value) && Math.abs(Number(value)) < 2 ** 31,
  long: (value) => Number.isSafeInteger(value),
  boolean: (value) => typeof value === 'boolean',
  date: (value) => typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000$/.test(value),
  map: (value) => typeof value === 'object' && !Array.isArray(value),
  list: (value) => Array.isArray(value),
  responseobject: (value) => typeof value === 'object' && !Array.isArray(value),
}

/** Fields of an answer, and of the objects in it, whose values are of another type than declared. */
function mistyped(shape: Shape, item: Answered): readonly string[] {
  return Object.entries(item).flatMap(([name, value]) => {
    const of = shape[name]
    if (of === undefined || !TYPED[of.type](value)) return [`${name}: ${JSON.stringify(value)}`]
    if (of.fields === undefined) return []
    const { fields } = of
    const inner = (Array.isArray(value) ? value : [value]) as readonly Answered[] // Objects, as the type says.
    return inner.flatMap((one) => mistyped(fields, one))
  })
}

/** Of a request that does not say. */
const PAGE_SIZE = 500

function idOf(item: Answered): unknown {
  return item['id'] ?? JSON.stringify(item)
}

test('listApis lists exactly what the caller may call', async () => {
  const mine = (await user.list('listApis')).map((api) => api['name'])
  expect(mine).toEqual(COMMANDS.filter(({ roles }) => roles.includes('user')).map(({ name }) => name))
  expect(await controller.api.list('listApis')).toHaveLength(
    COMMANDS.filter(({ roles }) => roles.includes('admin')).length,
  )
  await expect(user.list('listApis', { name: 'createZone' })).rejects.toThrow(/not found/)
})

test('an internal number names an entity as its uuid does', async () => {
  const { seq, id } = await controller.store.reader.selectFrom('volume').select(['seq', 'id']).executeTakeFirstOrThrow()
  expect(await controller.api.list('listVolumes', { id: seq })).toEqual(
    await controller.api.list('listVolumes', { id }),
  )
})

test('dates are written as CloudStack writes them', async () => {
  for (const volume of await controller.api.list('listVolumes')) {
    expect(volume['created']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000$/)
  }
})
