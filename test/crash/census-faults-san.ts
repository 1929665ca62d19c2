import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { text } from '../../lab/api.ts'
import { IQN, type Yard } from '../support/yard.ts'
import {
  disksOf,
  expose,
  initiatorOf,
  section,
  shown,
  snapshotFile,
  targetOf,
  volumeFile,
  type Planted,
} from './census-hands.ts'

const run = promisify(execFile)

/** A volume whose file somebody removed. */
export async function lostVolume(yard: Yard): Promise<Planted> {
  const { api, cloud } = yard.lab
  const [offering] = await api.list('listDiskOfferings', { name: 'limited' })
  const made = { name: 'lost', zoneid: cloud.zone, diskofferingid: text(offering ?? {}, 'id') }
  const id = text(await api.run('createVolume', made), 'id')
  await api.run('attachVolume', { id, virtualmachineid: yard.vm })
  await api.run('detachVolume', { id })
  rmSync(volumeFile(yard, id))
  return {
    object: `volume:${id}`,
    untouched: async () => expect(await api.list('listVolumes', { id })).toMatchObject([{ state: 'Ready' }]),
    async resolved() {
      expect(await api.list('listVolumes', { id })).toMatchObject([{ state: 'Error' }])
      expect(existsSync(volumeFile(yard, id))).toBe(false)
      await api.run('deleteVolume', { id })
    },
  }
}

/** A snapshot whose file somebody removed. */
export async function lostSnapshot(yard: Yard): Promise<Planted> {
  const { api } = yard.lab
  const id = text(await api.run('createSnapshot', { volumeid: yard.idle }), 'id')
  rmSync(snapshotFile(yard, id, yard.idle))
  return {
    object: `snapshot:${id}`,
    untouched: async () => expect(await api.list('listSnapshots', { id })).toMatchObject([{ state: 'BackedUp' }]),
    async resolved() {
      expect(await api.list('listSnapshots', { id })).toMatchObject([{ state: 'Error' }])
      await api.run('deleteSnapshot', { id })
    },
  }
}

/** An initiator that somebody took off the list of a target. */
export async function shutOut(yard: Yard): Promise<Planted> {
  const iqn = `${IQN}volume-${yard.used}`
  const host = await yard.hostOf(yard.vm)
  const initiator = await initiatorOf(yard, host)
  const tid = await targetOf(yard, iqn)
  await yard.tgtadm('--mode', 'target', '--op', 'unbind', '--tid', tid, '--initiator-name', initiator)
  const admitted = async () => (await section(yard, iqn)).split('ACL information:')[1] ?? ''
  return {
    object: `exposure:volume:${yard.used}@${host}`,
    untouched: async () => expect(await admitted()).not.toContain(initiator),
    resolved: async () => expect(await admitted()).toContain(initiator),
  }
}

/** A volume whose file somebody made longer or shorter. */
export async function resized(yard: Yard, bytes: number): Promise<Planted> {
  const { api } = yard.lab
  const [before] = await api.list('listVolumes', { id: yard.idle })
  const recorded = Number(before?.['size'])
  const file = volumeFile(yard, yard.idle)
  truncateSync(file, bytes)
  return {
    object: `volume:${yard.idle}`,
    untouched: async () => expect(statSync(file).size).toBe(bytes),
    async resolved() {
      const now = Math.max(recorded, bytes)
      expect(statSync(file).size).toBe(now)
      expect(await yard.san('volumes/get', { id: yard.idle })).toMatchObject({ bytes: now })
      expect(await api.list('listVolumes', { id: yard.idle })).toMatchObject([{ size: now }])
    },
  }
}

/** A location whose row somebody changed. */
export async function intended(yard: Yard): Promise<Planted> {
  const state = (to: string) => yard.sql(`update location set state = '${to}' where volume_id = '${yard.idle}'`)
  await state('intended')
  const isThere = async () => expect(existsSync(volumeFile(yard, yard.idle))).toBe(true)
  return {
    object: `volume:${yard.idle}`,
    untouched: isThere,
    async resolved() {
      await isThere()
      await state('present')
    },
  }
}

/** Access that somebody gave anew, to read only. */
export async function readOnly(yard: Yard): Promise<Planted> {
  const host = await yard.hostOf(yard.vm)
  const consumer = { kind: 'host', id: host, initiator: await initiatorOf(yard, host) }
  await yard.san('access/withdraw', { access: { source: { kind: 'volume', id: yard.used }, consumer } })
  await expose(yard, yard.used, { host, mode: 'ro' })
  return {
    object: `exposure:volume:${yard.used}@${host}`,
    untouched: async () => expect(await targetOf(yard, `${IQN}volume-${yard.used}`)).toBe(''),
    async resolved() {
      // The machine had its session ended twice; it logs in again by itself.
      const session = async () => (await section(yard, `${IQN}volume-${yard.used}`)).includes('I_T nexus: ')
      await expect.poll(session, { timeout: 60_000 }).toBe(true)
    },
  }
}

/** Limits that somebody set at the SAN. */
export async function otherLimits(yard: Yard): Promise<Planted> {
  const [id, sold] = [yard.idle, await yard.san('qos/read', { id: yard.idle })]
  await yard.san('qos/apply', { id, qos: { totalIops: { max: 77 } } })
  return {
    object: `qos:${id}`,
    untouched: async () => expect(await yard.san('qos/read', { id })).toEqual({ totalIops: { max: 77 } }),
    resolved: async () => expect(await yard.san('qos/read', { id })).toEqual(sold),
  }
}

/** Access that somebody gave at the SAN. */
export async function given(yard: Yard): Promise<Planted> {
  const { host } = await expose(yard, yard.idle)
  const iqn = `${IQN}volume-${yard.idle}`
  return {
    object: `exposure:volume:${yard.idle}@${host}`,
    untouched: async () => expect(await shown(yard)).toContain(iqn),
    resolved: async () => expect(await shown(yard)).not.toContain(iqn),
  }
}

/** A target that somebody made under our name. */
export async function strayTarget(yard: Yard): Promise<Planted> {
  const iqn = `${IQN}volume-${randomUUID()}`
  await yard.tgtadm('--mode', 'target', '--op', 'new', '--tid', '9001', '-T', iqn)
  return {
    object: `structure:${iqn}`,
    untouched: async () => expect(await shown(yard)).toContain(iqn),
    resolved: async () => expect(await shown(yard)).not.toContain(iqn),
  }
}

/** An initiator that somebody put on the list of a target in use. */
export async function letIn(yard: Yard): Promise<Planted> {
  const iqn = `${IQN}volume-${yard.used}`
  const initiator = 'iqn.2001-04.com.example:planted'
  const tid = await targetOf(yard, iqn)
  await yard.tgtadm('--mode', 'target', '--op', 'bind', '--tid', tid, '--initiator-name', initiator)
  return {
    object: `structure:acl ${iqn} ${initiator}`,
    untouched: async () => expect(await section(yard, iqn)).toContain(initiator),
    async resolved() {
      expect(await section(yard, iqn)).not.toContain(initiator)
      expect(await disksOf(yard)).toEqual([yard.used])
    },
  }
}

/** A file system that somebody mounted where exports are. */
export async function strayMount(yard: Yard): Promise<Planted> {
  const name = `volume-${randomUUID()}`
  const point = join(yard.lab.at.san, 'fuse', name)
  writeFileSync(point, '')
  await run('mount', ['--bind', '/dev/null', point])
  const mounts = () => readFileSync('/proc/self/mountinfo', 'utf8')
  return {
    object: `structure:mount ${name}`,
    untouched: async () => expect(mounts()).toContain(name),
    async resolved() {
      expect(mounts()).not.toContain(name)
      expect(existsSync(point)).toBe(false)
    },
  }
}

/** A volume of another installation. */
export async function moreStrangers(yard: Yard): Promise<Planted> {
  const { api } = yard.lab
  const folder = join(yard.lab.at.san, 'pool', randomUUID())
  const isThere = async () => expect(existsSync(folder)).toBe(true)
  mkdirSync(join(folder, 'volumes'), { recursive: true })
  writeFileSync(join(folder, 'volumes', `${randomUUID()}.raw`), 'theirs')
  return {
    object: 'volume',
    untouched: isThere,
    async resolved() {
      await isThere()
      // Ignored is what was there: of more of them one is told again.
      writeFileSync(join(folder, 'volumes', `${randomUUID()}.raw`), 'theirs')
      await api.run('runCensus')
      const open = await api.list('listCensusFindings', { state: 'open', class: 'foreign', keyword: 'volume' })
      expect(open).toHaveLength(1)
      rmSync(folder, { recursive: true })
    },
  }
}
