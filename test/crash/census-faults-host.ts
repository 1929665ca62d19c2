import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { text } from '../../lab/api.ts'
import { stopDaemon } from '../../lab/process.ts'
import { processesOf } from '../support/processes.ts'
import { IQN, type Yard } from '../support/yard.ts'
import { disksOf, plug, shown, unplug, type Planted } from './census-hands.ts'
import { ended, qemuByHand, specOf } from './census-strangers.ts'

/** A QEMU in the directory of a host daemon, under our mark. */
export async function qemuOfOurs(yard: Yard): Promise<Planted> {
  const id = randomUUID()
  const folder = join(yard.lab.at.hostd, 'vms', id)
  const qemu = await qemuByHand(folder, { id, mark: `moorage-${yard.owner}` })
  return {
    object: `vm:${id}`,
    untouched: async () => expect(qemu.exitCode ?? qemu.signalCode).toBeNull(),
    async resolved() {
      await expect.poll(() => qemu.signalCode, { timeout: 20_000 }).toBe('SIGKILL')
      await ended(qemu)
      rmSync(folder, { recursive: true })
    },
  }
}

/** A machine that somebody killed. */
export async function killedVm(yard: Yard): Promise<Planted> {
  const { api } = yard.lab
  for (const pid of processesOf('qemu-system-x86_64', yard.vm)) process.kill(pid, 'SIGKILL')
  await expect.poll(() => processesOf('qemu-system-x86_64', yard.vm), { timeout: 20_000 }).toEqual([])
  const iqn = `${IQN}volume-${yard.used}`
  return {
    object: `vm:${yard.vm}`,
    also: [`ghost-disk disk:${yard.vm}/${yard.used}`],
    untouched: async () => expect(await shown(yard)).toContain(iqn),
    async resolved() {
      expect(await api.list('listVirtualMachines', { id: yard.vm })).toMatchObject([{ state: 'Stopped' }])
      expect(await shown(yard)).not.toContain(iqn)
      await api.run('startVirtualMachine', { id: yard.vm })
      expect(await disksOf(yard)).toEqual([yard.used])
    },
  }
}

/** A disk that somebody took from a machine, at its host. */
export async function unplugged(yard: Yard): Promise<Planted> {
  await unplug(yard, yard.used)
  return {
    object: `disk:${yard.vm}/${yard.used}`,
    untouched: async () => expect(await disksOf(yard)).toEqual([]),
    resolved: async () => expect(await disksOf(yard)).toEqual([yard.used]),
  }
}

/** A disk that somebody took from a machine, and plugged again. */
export async function laterGeneration(yard: Yard): Promise<Planted> {
  const { api } = yard.lab
  const generation = (await unplug(yard, yard.used)) + 5
  await plug(yard, yard.used, generation)
  const isPlugged = async () => expect(await disksOf(yard)).toEqual([yard.used])
  return {
    object: `disk:${yard.vm}/${yard.used}`,
    untouched: isPlugged,
    async resolved() {
      await isPlugged()
      // The machine lets go of it, and takes it again: the record knows the generation.
      await api.run('detachVolume', { id: yard.used })
      expect(await disksOf(yard)).toEqual([])
      await api.run('attachVolume', { id: yard.used, virtualmachineid: yard.vm })
    },
  }
}

/** A machine of a VM that is recorded as stopped. */
export async function startedVm(yard: Yard): Promise<Planted> {
  const [host = ''] = await yard.hosts()
  await yard.hostd(host, 'vms/start', { spec: specOf(yard.resting) })
  return running(yard, host, yard.resting)
}

/** A second machine of a VM, on another host. */
export async function secondVm(yard: Yard): Promise<Planted> {
  const here = await yard.hostOf(yard.vm)
  const other = (await yard.hosts()).find((host) => host !== here) ?? ''
  await yard.hostd(other, 'vms/start', { spec: specOf(yard.vm) })
  const planted = running(yard, other, yard.vm)
  return {
    ...planted,
    async resolved() {
      await planted.resolved()
      expect(await yard.hostd(here, 'vms/get', { id: yard.vm })).toMatchObject({ state: 'running' })
    },
  }
}

function running(yard: Yard, host: string, id: string): Planted {
  const get = async () => yard.hostd(host, 'vms/get', { id })
  return {
    object: `vm:${id}`,
    untouched: async () => expect(await get()).toMatchObject({ state: 'running' }),
    resolved: async () => expect([null, 'stopped']).toContain(stateIn(await get())),
  }
}

/** A disk that somebody plugged, with the access that it needs. */
export async function pluggedDisk(yard: Yard): Promise<Planted> {
  await plug(yard, yard.idle, 1_000)
  const host = await yard.hostOf(yard.vm)
  return {
    object: `disk:${yard.vm}/${yard.idle}`,
    also: [`stale-exposure exposure:volume:${yard.idle}@${host}`],
    untouched: async () => expect((await disksOf(yard)).toSorted()).toEqual([yard.used, yard.idle].toSorted()),
    async resolved() {
      expect(await disksOf(yard)).toEqual([yard.used])
      const [open] = await yard.lab.api.list('listCensusFindings', { state: 'open', class: 'stale-exposure' })
      await yard.lab.api.run('resolveCensusFinding', { id: text(open ?? {}, 'id'), action: 'repair' })
    },
  }
}

/** A host daemon that does not answer. */
export async function stoppedDaemon(yard: Yard): Promise<Planted> {
  expect(await stopDaemon(yard.second.dir, 30_000)).toBe('stopped')
  return {
    object: 'inventory',
    untouched: async () => {},
    resolved: async () => yard.second.start(),
  }
}

/** State of a `BackendVm` of the contract; `null` when there is none. */
function stateIn(machine: unknown): unknown {
  return typeof machine === 'object' && machine !== null && 'state' in machine ? machine.state : null
}
