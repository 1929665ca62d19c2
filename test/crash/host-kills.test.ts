import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Entity, text } from '../../lab/api.ts'
import { until } from '../../lab/process.ts'
import { startHostd, startSan } from '../../lab/stack.ts'
import { SILENT } from '../../lab/terminal.ts'
import { findings } from '../support/census.ts'
import { killDaemon, only, processesOf } from '../support/processes.ts'
import { realLab, type RealLab } from '../support/real-lab.ts'

const QEMU = 'qemu-system-x86_64'

/** What an operator finds at night: a part of the array or host is gone. Operations wait for it, say so, and go on. */
describe('operations while a part of the real SAN or host is gone', () => {
  let lab: RealLab
  let volume = ''

  beforeAll(async () => {
    lab = await realLab('guestless')
    const plain = { name: 'plain', displaytext: 'plain', disksize: 1 }
    const diskofferingid = text(await lab.api.run('createDiskOffering', plain), 'id')
    const asked = { name: 'night', zoneid: lab.cloud.zone, diskofferingid }
    volume = text(await lab.api.run('createVolume', asked), 'id')
    await attach()
  }, 120_000)

  afterAll(() => lab.stop(), 120_000)

  it('the host daemon is killed: machines run on, a detachment waits for it, says why, and ends when it is back', async () => {
    const machines = processesOf(QEMU, lab.at.hostd)
    expect(machines.length).toBe(1)
    await killDaemon(lab.at.hostd)
    const { job } = await lab.api.submit('detachVolume', { id: volume })
    expect(await waiting(job)).toMatchObject({
      state: 'running',
      // What a matcher is typed as: it stands for a text.
      retryreason: expect.stringContaining('UNAVAILABLE') as string,
    }) // A matcher has no type.
    await startHostd(lab.at, SILENT)
    await lab.api.job(job)
    expect(processesOf(QEMU, lab.at.hostd)).toEqual(machines)
    expect(await findings(lab.api)).toEqual([])
    await hostUp()
  })

  it('the array is dead: an attachment that waits for it is aborted, and undone once it is back', async () => {
    await killDaemon(lab.at.san)
    const { job } = await lab.api.submit('attachVolume', { id: volume, virtualmachineid: lab.cloud.vm })
    await waiting(job)
    expect(await lab.api.run('abortOperation', { id: job })).toMatchObject({ abortasked: true })
    const undoing = await until(
      async () => ((await operation(job))['state'] === 'undoing' ? waiting(job) : undefined),
      {
        what: 'the attachment to be undone',
        withinMs: 10_000,
      },
    )
    expect(undoing).toMatchObject({ retryreason: expect.stringContaining('UNAVAILABLE') as string }) // As above.
    const [listed] = await lab.api.list('listVolumes', { id: volume })
    expect(listed).toMatchObject({ jobid: job, jobstatus: 0 })
    await startSan(lab.at, SILENT)
    // At its next attempt it goes on by itself, which may come first.
    await lab.api.run('retryOperation', { id: job }).catch((error: unknown) => {
      expect(String(error)).toContain('nothing to retry')
    })
    await expect(lab.api.job(job)).rejects.toThrow('aborted')
    expect(await operation(job)).toMatchObject({ state: 'aborted' })
    await attach()
    expect(await findings(lab.api)).toEqual([])
  })

  it('tgtd is killed while a volume grows: it has its new size, on the array and in the machine', async () => {
    const pid = only('tgtd', lab.at.san)
    const { job } = await lab.api.submit('resizeVolume', { id: volume, size: 2 })
    process.kill(pid, 'SIGKILL')
    await lab.api.job(job)
    const [listed] = await lab.api.list('listVolumes', { id: volume })
    expect(listed).toMatchObject({ size: 2 * 2 ** 30, state: 'Ready', virtualmachineid: lab.cloud.vm })
    expect(await findings(lab.api)).toEqual([])
  })

  it('the host daemon is killed before a stop is asked: the VM is stopped when it is back, and its access withdrawn', async () => {
    await killDaemon(lab.at.hostd)
    const { job } = await lab.api.submit('stopVirtualMachine', { id: lab.cloud.vm, forced: true })
    await waiting(job)
    await startHostd(lab.at, SILENT)
    await lab.api.job(job)
    expect(processesOf(QEMU, lab.at.hostd)).toEqual([])
    expect(await findings(lab.api)).toEqual([])
    await hostUp()
    await lab.api.run('startVirtualMachine', { id: lab.cloud.vm })
  })

  it('the machine itself is killed: its VM is found stopped, and its access withdrawn', async () => {
    process.kill(only(QEMU, lab.at.hostd), 'SIGKILL')
    await until(async () => ((await vm())['state'] === 'Stopped' ? true : undefined), {
      what: 'the VM to be found stopped',
      withinMs: 120_000,
      everyMs: 500,
    })
    expect(await findings(lab.api)).toEqual([])
    await lab.api.run('startVirtualMachine', { id: lab.cloud.vm })
    await lab.api.run('detachVolume', { id: volume })
    await lab.api.run('destroyVolume', { id: volume, expunge: true })
    expect(await findings(lab.api)).toEqual([])
  }, 150_000)

  async function attach(): Promise<void> {
    await lab.api.run('attachVolume', { id: volume, virtualmachineid: lab.cloud.vm })
  }

  async function vm(): Promise<Entity> {
    return (await lab.api.list('listVirtualMachines', { id: lab.cloud.vm }))[0] ?? {}
  }

  /** It may have been found silent while its daemon was dead: nothing is attached or starts there until it was heard of again. */
  async function hostUp(): Promise<void> {
    const host = async () => (await lab.api.list('listHosts', { type: 'Routing' }))[0] ?? {}
    await until(async () => ((await host())['state'] === 'Up' ? true : undefined), {
      what: 'the host to be Up',
      withinMs: 60_000,
      everyMs: 200,
    })
  }

  async function operation(id: string): Promise<Entity> {
    return (await lab.api.list('listOperations', { id }))[0] ?? {}
  }

  /** The operation, once it waits for its next attempt. */
  function waiting(id: string): Promise<Entity> {
    const look = async () => {
      const found = await operation(id)
      return found['retryat'] === undefined ? undefined : found
    }
    return until(look, { what: 'the operation to wait for its next attempt', withinMs: 20_000 })
  }
})
