import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Api, apiClient, type Entity, type Params } from '../../lab/api.ts'
import { makeGround, startController, type TestController } from '../../controller/testing.ts'
import { type Ground, groundFor, runLivesOf } from './lives.ts'

const COMMANDS = [
  'createVolume',
  'attachVolume',
  'createSnapshot',
  'detachVolume',
  'revertSnapshot',
  'resizeVolume',
  'deleteSnapshot',
  'destroyVolume',
] as const
const VMS = 4

describe('lives whose clients lose answers, and ask again for what has not happened', () => {
  let controller: TestController
  let api: Api
  let ground: Ground
  beforeAll(async () => {
    controller = await startController()
    await makeGround(controller)
    api = apiClient({ url: controller.url, ...controller.keys })
    ground = await groundFor(api, VMS)
  })
  afterAll(() => controller.stop())

  it('leave nothing, whichever command it was, and whether or not it had been heard', async () => {
    const clients = [true, false].flatMap((heard) => COMMANDS.map((command) => losing(command, heard)))
    const outcome = await runLivesOf(
      clients.map((client) => client.api),
      ground,
      { count: clients.length },
    )
    expect(outcome.failures).toEqual([])
    expect(clients.map((client) => client.lost())).toEqual(clients.map(() => 1))
    expect(await left()).toEqual([])
  })

  it('leave nothing when a snapshot that is gone already is asked for once more, by a request that was heard late', async () => {
    const late: Params[] = []
    const submit: Api['submit'] = async (command, params) => {
      const { volumeid, customid } = params ?? {}
      if (command === 'createSnapshot') late.push({ volumeid, customid })
      // The snapshot is deleted, the volume is still there.
      if (command === 'destroyVolume') {
        for (const asked of late) {
          await expect(api.run('createSnapshot', asked)).rejects.toThrow(/is, or was, in use/)
        }
      }
      return await api.submit(command, params)
    }
    const outcome = await runLivesOf([{ ...api, submit }], ground, { count: 1 })
    expect(late).toHaveLength(1)
    expect(outcome.failures).toEqual([])
    expect(await left()).toEqual([])
  })

  /** A client for whom the first answer to a command is lost. */
  function losing(command: string, heard: boolean) {
    let lost = 0
    const submit: Api['submit'] = async (asked, params) => {
      if (asked !== command || lost > 0) return await api.submit(asked, params)
      lost += 1
      if (heard) await api.submit(asked, params)
      throw new Error(`the answer to ${asked} is lost`)
    }
    return { api: { ...api, submit }, lost: () => lost }
  }

  async function left(): Promise<readonly Entity[]> {
    return [
      ...(await api.list('listSnapshots', { listall: true })),
      ...(await api.list('listVolumes', { listall: true, type: 'DATADISK' })),
      ...(await api.list('listOperations', { listall: true, state: 'open' })),
    ]
  }
})
