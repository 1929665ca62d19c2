import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { hypervisorConformance } from '@moorage/conformance'
import type { VolumeId } from '@moorage/contract'
import { startHostd, startTarget, type TestHostd, type TestTarget } from '@moorage/hostd/testing'
import { qemuHypervisor } from './index.ts'

let hostd: TestHostd
let target: TestTarget

beforeAll(async () => {
  hostd = await startHostd()
  target = await startTarget({ initiator: hostd.initiator, bytes: [] })
})

afterAll(async () => {
  await hostd.stop()
  await target.stop()
})

describe('a QEMU host', () => {
  hypervisorConformance({
    test,
    subject: {
      lacks: {
        guest: 'machines of the kit have no image; daemons/hostd tries I/O inside a real guest',
        migration: 'the host daemon does not migrate',
        peer: 'there is nothing to migrate to',
      },
      make: async () => ({
        adapter: qemuHypervisor.open(hostd.endpoint),
        stranger: qemuHypervisor.open({ ...hostd.endpoint, owner: 'another-installation' }),
        plugin: { plugin: qemuHypervisor, endpoint: hostd.endpoint },
        disk: async (bytes) => {
          const number = await target.add(bytes)
          return {
            volume: randomUUID() as VolumeId, // Ids are UUIDs.
            connection: target.connection(number),
            bytes,
            sessions: async () => (await target.sessions(number)).length,
            grow: (wanted) => target.grow(number, wanted),
          }
        },
        // Volumes are sparse files; they go with the target.
        dispose: async () => undefined,
      }),
    },
  })
})
