import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeGround, startController, type TestController } from '../testing.ts'
import { type ApiServer, createApiServer } from './server.ts'
import { entitiesOf, type Known } from './testing.ts'
import { anyRequest, faultOf } from './testing-fuzz.ts'

let controller: TestController
let server: ApiServer
let known: Known
const internal: string[] = []

beforeAll(async () => {
  controller = await startController()
  const ground = await makeGround(controller)
  known = await entitiesOf(controller, ground)
  const listen = { host: '127.0.0.1', port: 0 }
  const error = (fields: object) => void internal.push(JSON.stringify(fields))
  const log = { debug: () => {}, info: () => {}, error }
  const { system } = controller
  server = await createApiServer({ system, listen, integrationListen: listen, log })
})
afterAll(async () => {
  await server.close()
  await controller.stop()
})

/** A sample of `npm run fuzz`. */
const REQUESTS = Number(process.env['MOORAGE_FUZZ_REQUESTS'] ?? 1500)
/** Requests at one time, in the mean. */
const BESIDE = 8

test('whatever is asked, the answer is one envelope with a code of CloudStack, without a fault inside and without a leak', async () => {
  const secrets = { password: controller.simulator.password, secretKey: controller.keys.secretKey }
  const target = { url: server.url, integrationUrl: server.integrationUrl ?? '', known, secrets }
  const asking = fc.asyncProperty(fc.array(anyRequest, { minLength: 1, maxLength: 2 * BESIDE }), async (some) => {
    const faults = await Promise.all(some.map((one) => faultOf(target, one)))
    expect({ faults: faults.filter((fault) => fault !== undefined), internal }).toEqual({ faults: [], internal: [] })
  })
  await fc.assert(asking, { numRuns: Math.ceil(REQUESTS / BESIDE) })
}, 300_000)
