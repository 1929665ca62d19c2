import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serialOf, type VolumeId } from '@moorage/contract'
import { text } from '../../lab/api.ts'
import type { Guest } from '../../lab/guest.ts'
import { labGuest, labVerifier } from '../../lab/parts.ts'
import { runningDaemon, until } from '../../lab/process.ts'
import { startSan } from '../../lab/stack.ts'
import { findings } from '../support/census.ts'
import { processesOf } from '../support/processes.ts'
import { realLab, type RealLab } from '../support/real-lab.ts'
import { SILENT } from '../../lab/terminal.ts'

const BLOCK = 4096

/** What a guest was told is written stays written, whatever part of the SAN is killed under it; and it goes on writing. */
describe('a guest that writes while parts of the SAN are killed', () => {
  let lab: RealLab
  let guest: Guest
  let volume = ''
  let device = ''

  beforeAll(async () => {
    lab = await realLab('guest')
    guest = labGuest(lab.at, lab.cloud.vm)
    const { api, cloud } = lab
    const made = await api.run('createDiskOffering', {
      name: 'w',
      displaytext: 'w',
      disksize: 1,
      miniops: 50,
      maxiops: 2000,
    })
    const created = await api.run('createVolume', { name: 'w', zoneid: cloud.zone, diskofferingid: text(made, 'id') })
    volume = text(created, 'id')
    await api.run('attachVolume', { id: volume, virtualmachineid: cloud.vm })
    device = await guest.disk(serialOf(volume as VolumeId)) // Ids of volumes come from the API as text.
    await guest.sh(`sequence start /dev/${device}`)
  }, 240_000)

  afterAll(() => lab.stop(), 120_000)

  it.each(['tgtd', 'qemu-storage-daemon'])('goes on after %s was killed', async (program) => {
    const [pid] = processesOf(program, lab.at.san)
    expect(pid).toBeDefined()
    const before = await moreThan(guest, await acked(guest))
    process.kill(pid ?? 0, 'SIGKILL') // Checked to be there.
    const snapshot = await lab.api.run('createSnapshot', { volumeid: volume, locationtype: 'primary' })
    expect(snapshot['state']).toBe('BackedUp')
    expect(await moreThan(guest, before + 20)).toBeGreaterThan(before)
    await lab.api.run('deleteSnapshot', { id: text(snapshot, 'id') })
  })

  it('goes on while the SAN daemon is killed, and operations wait for it and say so', async () => {
    const daemon = runningDaemon(lab.at.san)
    expect(daemon).toBeDefined()
    const before = await acked(guest)
    process.kill(daemon?.pid ?? 0, 'SIGKILL') // Checked to be there.
    const { job } = await lab.api.submit('createSnapshot', { volumeid: volume, locationtype: 'primary' })
    expect(await moreThan(guest, before + 20)).toBeGreaterThan(before)
    const retried = await until(async () => (await retries(lab, job))[0], {
      what: 'the log to tell of a retry',
      withinMs: 20_000,
    })
    expect(JSON.stringify(retried)).toContain('UNAVAILABLE')
    await startSan(lab.at, SILENT)
    await lab.api.job(job)
    expect(await moreThan(guest, await acked(guest))).toBeGreaterThan(before)
  })

  it('finds every acknowledged block on the volume afterwards, and nothing left over', async () => {
    const told = Number((await guest.sh('sequence stop')).trim())
    await lab.api.run('detachVolume', { id: volume })
    const bytes = await labVerifier(lab.at).head(volume, told * BLOCK)
    const lost: number[] = []
    for (let block = 0; block < told; block += 1) {
      const found = bytes.subarray(block * BLOCK, (block + 1) * BLOCK).toString('latin1')
      if (found.trim() !== String(block)) lost.push(block)
    }
    expect(told).toBeGreaterThan(100)
    expect(lost).toEqual([])
    for (const one of await lab.api.list('listSnapshots', { volumeid: volume })) {
      await lab.api.run('deleteSnapshot', { id: text(one, 'id') })
    }
    await lab.api.run('destroyVolume', { id: volume, expunge: true })
    expect(await findings(lab.api)).toEqual([])
  })
})

async function acked(guest: Guest): Promise<number> {
  return Number((await guest.sh('sequence acked')).trim())
}

/** Waits until more blocks than `count` are acknowledged, and answers how many are. */
async function moreThan(guest: Guest, count: number): Promise<number> {
  return until(
    async () => {
      const now = await acked(guest)
      return now > count ? now : undefined
    },
    { what: `more than ${count} acknowledged blocks`, withinMs: 60_000, everyMs: 200 },
  )
}

async function retries(lab: RealLab, operation: string) {
  const log = await lab.api.list('listOperationLogs', { id: operation })
  return log.filter((entry) => entry['kind'] === 'retry')
}
