import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../testing.ts'
import { type Asked, textOf } from '../testing-client.ts'
import { envelopeOf } from './envelope.ts'
import { openApi } from './openapi.ts'
import { COMMANDS } from './registry.ts'

const FILE = join(import.meta.dirname, '../../docs/reference/openapi.json')

let controller: TestController
let ground: Ground
beforeAll(async () => {
  controller = await startController()
  ground = await makeGround(controller)
})
afterAll(() => controller.stop())

test('the document is one of OpenAPI 3.1, says the validator of others', async () => {
  const validator = import.meta.resolve('@seriousme/openapi-schema-validator')
  const program = new URL('bin/validate-api-cli.js', validator).pathname
  const { stdout } = await promisify(execFile)(process.execPath, [program, FILE])
  expect(JSON.parse(stdout)).toEqual({ valid: true })
})

describe('schemas', () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ ...openApi() }, 'moorage')

  /** What is wrong with an object under the schema of that name. */
  function wrong(schema: string, object: unknown): unknown {
    const validate = ajv.getSchema(`moorage#/components/schemas/${schema}`)
    if (validate === undefined) throw new Error(`there is no schema ${schema}`)
    return validate(object) === true ? [] : validate.errors
  }

  async function asked(name: string, params: Asked = {}) {
    const command = COMMANDS.find((one) => one.name === name)
    if (command === undefined) throw new Error(`there is no command ${name}`)
    const { status, answer } = await controller.api.send(name, params)
    return { status, whole: { [envelopeOf(command)]: answer } }
  }

  test('hold of real answers: lists, empty ones, jobs, objects, and refusals', async () => {
    const { zone: zoneid, offering: diskofferingid, service: serviceofferingid, template: templateid } = ground
    const { api } = controller
    const vm = textOf(await api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid }), 'id')
    const made = { zoneid, diskofferingid, size: 1, name: 'x' }
    const volume = textOf(await api.run('createVolume', made), 'id')
    await api.run('attachVolume', { id: volume, virtualmachineid: vm })
    const questions: readonly (readonly [string, Asked?])[] = [
      ['createVolume', made],
      ['resizeVolume', { id: volume, size: 2 }],
      ['updateZone', { id: zoneid, name: 'renamed' }],
      ['generateUsageRecords'],
      ...COMMANDS.filter(
        ({ name, params }) => name.startsWith('list') && !Object.values(params).some(({ needed }) => needed),
      ).map(({ name }) => [name] as const),
    ]
    for (const [name, params] of questions) {
      const { status, whole } = await asked(name, params)
      expect({ name, status, wrong: wrong(`${name}Response`, whole) }).toEqual({ name, status: 200, wrong: [] })
    }
    const refused = await asked('listVolumes', { id: 'nobody' })
    expect(refused.status).toBe(431)
    expect(wrong('Refused', refused.whole)).toEqual([])
  })

  test('refuse an answer with a field that no shape declares, and one of another type', () => {
    expect(wrong('listZonesResponse', { listzonesresponse: { count: 1, zone: [{ id: 'a' }] } })).toEqual([])
    expect(wrong('listZonesResponse', { listzonesresponse: { count: 1, zone: [{ id: 1 }] } })).not.toEqual([])
    expect(wrong('listZonesResponse', { listzonesresponse: { count: 1, zone: [{ no: 'a' }] } })).not.toEqual([])
  })

  test('say what a request needs, and how maps are sent', () => {
    const request = { command: 'createTags', resourcetype: 'Volume', resourceids: 'a', 'tags[0].key': 'k' }
    expect(wrong('createTagsRequest', request)).toEqual([])
    expect(wrong('createTagsRequest', { ...request, resourceids: undefined, command: 'deleteTags' })).not.toEqual([])
    expect(wrong('createTagsRequest', { command: 'createTags', resourcetype: 'Volume' })).not.toEqual([])
  })
})
