import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { text } from '../../lab/api.ts'
import { IQN, type Yard } from '../support/yard.ts'
import { disksOf, expose, GIB, shown, snapshotFile, volumeFile, type Planted } from './census-hands.ts'

const run = promisify(execFile)

/** Paths of what lies in recycle bins; `deleted` waits until they are gone. */
const bin: string[] = []

/** Whether what was recycled is still there. */
export function inBin(): readonly boolean[] {
  return bin.map((path) => existsSync(path))
}

async function owners({ lab }: Yard): Promise<object> {
  const [domain] = await lab.api.list('listDomains', { name: 'ROOT' })
  return { account: 'admin', domainid: text(domain ?? {}, 'id') }
}

async function onSan(yard: Yard): Promise<string> {
  const id = randomUUID()
  await yard.san('volumes/create', { spec: { id, bytes: GIB, qos: { totalIops: { max: 321 } }, settings: {} } })
  return id
}

/** A volume that the SAN serves, and no record knows. */
export async function servedOrphan(yard: Yard): Promise<Planted> {
  const id = await onSan(yard)
  const { api } = yard.lab
  return {
    object: `volume:${id}`,
    params: { ...(await owners(yard)), name: 'found' },
    untouched: async () => expect(await yard.san('volumes/get', { id })).toMatchObject({ id }),
    async resolved() {
      expect(await api.list('listVolumes', { id })).toMatchObject([{ name: 'found', state: 'Ready', size: GIB }])
      expect(await yard.san('qos/read', { id })).toEqual({ totalIops: { max: 321 } })
      await api.run('attachVolume', { id, virtualmachineid: yard.vm })
      expect(await disksOf(yard)).toContain(id)
      await api.run('detachVolume', { id })
      await api.run('deleteVolume', { id })
      expect(existsSync(volumeFile(yard, id))).toBe(false)
    },
  }
}

/** The same, and a host has access to it. */
export async function exposedOrphan(yard: Yard): Promise<Planted> {
  const id = await onSan(yard)
  const { host } = await expose(yard, id)
  bin.push(volumeFile(yard, id))
  return {
    object: `volume:${id}`,
    also: [`stale-exposure exposure:volume:${id}@${host}`],
    untouched: async () => expect(await shown(yard)).toContain(`${IQN}volume-${id}`),
    async resolved() {
      expect(await shown(yard)).not.toContain(`${IQN}volume-${id}`)
      expect(await yard.san('volumes/get', { id })).toMatchObject({ id })
    },
  }
}

/** A file among our volumes, of which not even the SAN knows. */
export async function strayFile(yard: Yard): Promise<Planted> {
  const id = randomUUID()
  return recycled(volumeFile(yard, id), `volume:${id}`, (path) => writeFileSync(path, 'left over'))
}

/** What is a file only, is one in the recycle bin. */
function recycled(path: string, object: string, make: (path: string) => void): Planted {
  make(path)
  bin.push(path)
  const isThere = async () => expect(existsSync(path)).toBe(true)
  return { object, untouched: isThere, resolved: isThere }
}

/** A snapshot that the SAN knows, and no record. */
export async function servedSnapshot(yard: Yard): Promise<Planted> {
  const id = randomUUID()
  const { api } = yard.lab
  await yard.san('snapshots/create', { spec: { id, volume: yard.idle } })
  const path = snapshotFile(yard, id, yard.idle)
  return {
    object: `snapshot:${id}`,
    params: await owners(yard),
    untouched: async () => expect(existsSync(path)).toBe(true),
    async resolved() {
      expect(await api.list('listSnapshots', { id })).toMatchObject([{ state: 'BackedUp', volumeid: yard.idle }])
      await api.run('deleteSnapshot', { id })
      expect(existsSync(path)).toBe(false)
    },
  }
}

/** A file among our snapshots. */
export async function straySnapshot(yard: Yard): Promise<Planted> {
  const id = randomUUID()
  return recycled(snapshotFile(yard, id, yard.idle), `snapshot:${id}`, (path) => writeFileSync(path, 'left over'))
}

/** A file of the id of a volume that lives elsewhere, by qemu-img. */
export async function copiedVolume(yard: Yard): Promise<Planted> {
  const folder = join(yard.files, yard.owner)
  for (const name of ['locks', 'volumes']) mkdirSync(join(folder, name), { recursive: true })
  const path = join(folder, 'volumes', `${yard.idle}.qcow2`)
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', path, String(GIB)])
  return recycled(path, `volume:${yard.idle}`, () => {})
}
