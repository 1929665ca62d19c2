import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type {
  Call,
  Connection,
  HypervisorPlugin,
  Loaded,
  StoragePlugin,
  StorageProvider,
  VolumeId,
} from '@moorage/contract'
import { simulatorHypervisor } from '@moorage/hypervisor-simulator'
import type { TestSimulator } from '@moorage/simulator/testing'
import { simulatorStorage } from '@moorage/storage-simulator'
import { newId } from '../check.ts'
import type { GuestIo, HypervisorSubject, TestDisk } from '../hypervisor/subject.ts'
import type { OpenDisk, StorageSubject } from '../storage/subject.ts'

/**
 * The simulated array as a subject: an array of its own for each case, with small pages so that paging is tried. `plugin`:
 * the simulator's, wherever it runs.
 */
export function simulatorStorageSubject(
  simulator: () => TestSimulator,
  plugin: () => Loaded<StoragePlugin> = () => simulatorStorage,
): StorageSubject {
  return {
    lacks: {},
    async make() {
      const array = `array-${randomUUID()}`
      const totalBytes = 1024 ** 4
      await simulator().send('arrays/define', { array, totalBytes, limits: { pageItems: 7 } })
      const endpoint = simulator().storageEndpoint(array)
      return {
        provider: await plugin().open(endpoint),
        stranger: await plugin().open(simulator().storageEndpoint(array, 'another-installation')),
        connect: (connection) => openDisk(simulator(), connection),
        plugin: { plugin: plugin(), endpoint },
        console: { setQos: (volume, qos) => simulator().send('console/set-qos', { array, volume, qos }) },
        paced: true,
        dispose: async () => undefined,
      }
    },
  }
}

/** Logs in to a simulated array as any initiator would. */
async function openDisk(simulator: TestSimulator, connection: Connection): Promise<OpenDisk> {
  const { session } = await simulator.send<{ session: string }>('io/session', { connection })
  return {
    async write(offset, bytes) {
      const data = Buffer.from(bytes).toString('base64')
      const { heldMs } = await simulator.send<{ heldMs: number }>('io/session-write', { session, offset, data })
      // The limits of the array, felt.
      for (const until = Date.now() + heldMs; Date.now() < until;) await pause(until - Date.now())
    },
    async read(offset, length) {
      const answer = await simulator.send<{ data: string }>('io/session-read', { session, offset, length })
      return Buffer.from(answer.data, 'base64')
    },
    close: () => simulator.send('io/session-close', { session }),
  }
}

/** The simulated host as a subject: a host of its own for each case, with disks on a simulated array. `plugin` likewise. */
export function simulatorHypervisorSubject(
  simulator: () => TestSimulator,
  plugin: () => Loaded<HypervisorPlugin> = () => simulatorHypervisor,
): HypervisorSubject {
  return {
    lacks: {},
    async make() {
      const name = `host-${randomUUID()}`
      const endpoint = simulator().hostEndpoint(name)
      const adapter = await plugin().open(endpoint)
      const { initiator } = await adapter.hosts.report(newCall())
      const array = simulatorStorage.open(simulator().storageEndpoint(`array-of-${name.slice(0, 20)}`))
      const made: (() => Promise<void>)[] = []
      const other = `peer-${randomUUID()}`
      const peer = await plugin().open(simulator().hostEndpoint(other))
      const { initiator: peerInitiator } = await peer.hosts.report(newCall())
      return {
        adapter,
        peer: { adapter: peer, guest: guestIo(simulator(), other) },
        stranger: await plugin().open(simulator().hostEndpoint(name, 'another-installation')),
        plugin: { plugin: plugin(), endpoint },
        guest: guestIo(simulator(), name),
        disk: (bytes) => newDisk({ simulator: simulator(), array, initiator, peerInitiator, bytes, made }),
        async dispose() {
          for (const remove of made.toReversed()) await remove()
        },
      }
    },
  }
}

function guestIo(simulator: TestSimulator, host: string): GuestIo {
  return {
    write: (at, bytes) => simulator.send('io/write', { ...at, host, data: Buffer.from(bytes).toString('base64') }),
    async read(at, length) {
      const { data } = await simulator.send<{ data: string }>('io/read', { ...at, host, length })
      return Buffer.from(data, 'base64')
    },
    serial: async (at) => (await simulator.send<{ serial: string }>('io/serial', { ...at, host })).serial,
  }
}

async function newDisk(options: {
  readonly simulator: TestSimulator
  readonly array: StorageProvider
  readonly initiator: string
  readonly peerInitiator: string
  readonly bytes: number
  /** Told how to take the disk away. */
  readonly made: (() => Promise<void>)[]
}): Promise<TestDisk> {
  const { simulator, array, initiator, peerInitiator, bytes, made } = options
  const id: VolumeId = newId()
  const source = { kind: 'volume', id } as const
  const consumerOf = (name: string) => ({ kind: 'host', id: newId<'host'>(), initiator: name }) as const
  const give = async (consumer: ReturnType<typeof consumerOf>) => {
    made.push(() => array.access.withdraw({ source, consumer }, newCall()))
    return array.access.expose({ source, consumer, mode: 'rw', account: 'conformance' }, newCall())
  }
  const sessionsOf = async (at: Connection) =>
    (await simulator.send<{ sessions: number }>('io/sessions', { connection: at })).sessions
  await array.volumes.create({ id, bytes, qos: {}, settings: {} }, newCall())
  made.push(() => array.volumes.delete(id, newCall()))
  const connection = await give(consumerOf(initiator))
  return {
    volume: id,
    connection,
    bytes,
    sessions: () => sessionsOf(connection),
    async atPeer() {
      const there = await give(consumerOf(peerInitiator))
      return { connection: there, sessions: () => sessionsOf(there) }
    },
    grow: async (wanted) => void (await array.resize?.grow(id, wanted, newCall())),
  }
}

function newCall(): Call {
  return { key: randomUUID(), fence: 0, deadline: Date.now() + 30_000, signal: new AbortController().signal }
}
