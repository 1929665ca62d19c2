import { storageConformance, type StorageSubject } from '@moorage/conformance'
import { openDisk, startTestSan, type TestSan } from '@moorage/san/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { linuxSan } from './index.ts'

let san: TestSan
beforeAll(async () => {
  san = await startTestSan({ iops: 100_000 })
})
afterAll(() => san.stop())

const subject: StorageSubject = {
  lacks: {
    groupSnapshots: 'clones of several files cannot be taken at one instant while their writers go on',
    console: 'a limit has one way to the throttle, which is the daemon',
  },
  make: async () => ({
    provider: linuxSan.open(san.endpoint),
    stranger: linuxSan.open({ ...san.endpoint, owner: 'another-installation' }),
    connect: openDisk,
    plugin: { plugin: linuxSan, endpoint: san.endpoint },
    paced: true,
    dispose: async () => undefined,
  }),
}

describe('a Linux SAN', () => {
  storageConformance({ test, subject })
})
