import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { hypervisorConformance } from '@moorage/conformance'
import type { VolumeId } from '@moorage/contract'
import { startHostd, startTarget, type TestHostd, type TestTarget } from '@moorage/hostd/testing'
import { qemuHypervisor } from './index.ts'

let hostd: TestHostd
let other: TestHostd
let target: TestTarget

beforeAll(async () => {
  ;[hostd, other] = await Promise.all([startHostd(), startHostd()])
  target = await startTarget({ initiator: hostd.initiator, bytes: [] })
})

afterAll(async () => {
  await Promise.all([hostd.stop(), other.stop()])
  await target.stop()
})

describe('a QEMU host', () => {
  hypervisorConformance({
    test,
    subject: {
      lacks: {
        guest: 'machines of the kit have no image; daemons/hostd tries I/O inside a real guest',
      },
      make: async () => ({
        adapter: qemuHypervisor.open(hostd.endpoint),
        peer: { adapter: qemuHypervisor.open(other.endpoint) },
        stranger: qemuHypervisor.open({ ...hostd.endpoint, owner: 'another-installation' }),
        plugin: { plugin: qemuHypervisor, endpoint: hostd.endpoint },
        disk: async (bytes) => {
          const number = await target.add(bytes)
          return {
            volume: randomUUID() as VolumeId, // Ids are UUIDs.
            connection: target.connection(number),
            bytes,
            sessions: () => sessionsOf(number, hostd.initiator),
            atPeer: async () => ({
              connection: await target.admit(number, other.initiator),
              sessions: () => sessionsOf(number, other.initiator),
            }),
            grow: (wanted) => target.grow(number, wanted),
          }
        },
        // Volumes are sparse files; they go with the target.
        dispose: async () => undefined,
      }),
    },
  })
})

async function sessionsOf(volume: number, initiator: string): Promise<number> {
  return (await target.sessions(volume)).filter((name) => name === initiator).length
}
