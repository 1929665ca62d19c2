import type { Qos } from '@moorage/contract'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { patientReconcilers } from '../../controller/reconcilers/testing.ts'
import type { RunningReconcilers } from '../../controller/reconcilers/start.ts'
import type { Answered } from '../../controller/testing-client.ts'
import { realCloud, type RealCloud } from '../support/real-cloud.ts'

let cloud: RealCloud
let reconcilers: RunningReconcilers
const SILENT = { info: () => {}, warn: () => {}, error: () => {} }

beforeAll(async () => {
  cloud = await realCloud({ iops: 5000 })
  reconcilers = patientReconcilers(cloud.controller, SILENT)
})
afterAll(async () => {
  await reconcilers.stop()
  await cloud.stop()
})

async function shown(id: string): Promise<Answered | undefined> {
  return (await cloud.controller.api.list('listVolumes', { id }))[0]
}

/** Types of the alerts about limits, the newest first. */
async function alerts(): Promise<readonly string[]> {
  const found = await cloud.controller.api.list('listAlerts', {})
  return found.map(({ name }) => String(name)).filter((name) => name.startsWith('VOLUME.QOS'))
}

async function repaired(id: string): Promise<void> {
  const { api, system } = cloud.controller
  const newest = (await api.list('listOperations', { subjectid: id }))[0]
  await system.jobs.ended(String(newest?.['id']), 30_000)
}

test('limits changed on the SAN and on the host themselves are told within one turn, and put back where the pool says so', async () => {
  const { api } = cloud.controller
  const atSan: Qos = { totalIops: { min: 100, max: 1000 } }
  const atHost: Qos = { readIops: { max: 300 } }
  const [one, other] = [await cloud.disk({ miniops: 100, maxiops: 1000 }), await cloud.disk({ iopsreadrate: 300 })]
  const stray = { totalIops: { max: 77 } }
  const change = async () => {
    await cloud.behindUs('san', 'qos/apply', { id: one, qos: stray })
    await cloud.behindUs('host', 'throttle/apply', { vm: cloud.vm, disk: { volume: other, qos: stray } })
    await reconcilers.runNow('qos-observed')
  }
  await change()
  expect(await shown(one)).toMatchObject({ qosapplied: atSan, qosobserved: stray })
  expect(await shown(other)).toMatchObject({ qosapplied: atHost, qosobserved: stray })
  expect(await alerts()).toEqual(['VOLUME.QOS.DRIFTED', 'VOLUME.QOS.DRIFTED'])

  await api.run('updateStoragePool', { id: cloud.pool, qosdrift: 'repair' })
  await change()
  for (const id of [one, other]) await repaired(id)
  expect(await cloud.behindUs('san', 'qos/read', { id: one })).toEqual(atSan)
  expect(await cloud.behindUs('host', 'throttle/read', { vm: cloud.vm, volume: other })).toEqual(atHost)
  expect(await shown(one)).toMatchObject({ qosapplied: atSan, qosobserved: atSan })
  expect(await shown(other)).toMatchObject({ qosapplied: atHost, qosobserved: atHost })
  for (const id of [one, other]) {
    await api.run('detachVolume', { id })
    await api.run('deleteVolume', { id })
  }
})
