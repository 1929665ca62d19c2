import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { text } from '../../lab/api.ts'
import { remains } from '../../lab/remains.ts'
import { stopAll } from '../../lab/stack.ts'
import { killDaemon, mountsIn, processesIn } from '../support/processes.ts'
import { realLab, type RealLab } from '../support/real-lab.ts'

type Part = 'controller' | 'hostd' | 'san'

describe('make down', () => {
  it.each<{ readonly name: string; readonly killed: readonly Part[] }>([
    { name: 'the controller', killed: ['controller'] },
    { name: 'the host daemon', killed: ['hostd'] },
    { name: 'the SAN daemon', killed: ['san'] },
    { name: 'all of them', killed: ['controller', 'hostd', 'san'] },
  ])('leaves nothing after $name died with a volume attached', async ({ killed }) => {
    const lab = await realLab('guestless')
    onTestFinished(() => lab.stop(), 120_000)
    await attachedVolume(lab)
    const database = databaseOf(lab)
    expect(remains(lab.at)).not.toEqual([])
    for (const part of killed) await killDaemon(lab.at[part])
    await stopAll(lab.at)
    expect(remains(lab.at)).toEqual([])
    expect(processesIn(lab.at.root)).toEqual([])
    expect(mountsIn(lab.at.root)).toEqual([])
    expect(commandOf(database)).toBe('')
  })
})

async function attachedVolume({ api, cloud }: RealLab): Promise<void> {
  const offering = await api.run('createDiskOffering', { name: 'd', displaytext: 'd', disksize: 1, maxiops: 500 })
  const volume = await api.run('createVolume', { name: 'd', zoneid: cloud.zone, diskofferingid: text(offering, 'id') })
  await api.run('attachVolume', { id: text(volume, 'id'), virtualmachineid: cloud.vm })
}

/** Process id of the database server that the lab's controller started. */
function databaseOf(lab: RealLab): number {
  const pid = Number.parseInt(readFileSync(join(lab.at.controller, 'postgres', 'postmaster.pid'), 'utf8'), 10)
  expect(commandOf(pid)).toContain('postgres')
  return pid
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
