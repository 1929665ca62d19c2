import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Api, text } from '../../lab/api.ts'
import { until } from '../../lab/process.ts'
import { findings } from '../support/census.ts'
import { severalControllers, type SeveralControllers } from '../support/controllers.ts'
import { simulatorFaults, simulatorMethods } from '../support/simulator.ts'

const PIECE = 4096
const OLD = Buffer.alloc(PIECE, 1)
const SNAPPED = Buffer.alloc(PIECE, 2)
const NEW = Buffer.alloc(PIECE, 3)

/**
 * A controller is stopped inside calls of the array. Another takes its operations over and ends them, and the world moves
 * on; then the calls reach the array after all, and the controller goes on. Proven by what the array holds.
 */
describe('a controller that was stopped inside a call and replaced', () => {
  const parent = mkdtempSync(join(tmpdir(), 'moorage-zombies-'))
  let several: SeveralControllers
  let zombie: Api
  let other: Api
  let vm = ''
  let host = ''
  let offering = ''
  let zone = ''

  beforeAll(async () => {
    several = await severalControllers({ parent, count: 2 })
    const [one, two] = several.all
    if (!one || !two) throw new Error('there are not two controllers')
    ;[zombie, other] = [one.api, two.api]
    zone = text((await zombie.list('listZones'))[0] ?? {}, 'id')
    const serviceofferingid = text((await zombie.list('listServiceOfferings'))[0] ?? {}, 'id')
    const templateid = text((await zombie.list('listTemplates', { templatefilter: 'all' }))[0] ?? {}, 'id')
    const plain = { name: 'zombie', displaytext: 'zombie', disksize: 1, miniops: 50, maxiops: 1000 }
    offering = text(await zombie.run('createDiskOffering', plain), 'id')
    const machine = { zoneid: zone, serviceofferingid, templateid, name: 'zombie' }
    vm = text(await zombie.run('deployVirtualMachine', machine), 'id')
    host = text((await zombie.list('listVirtualMachines', { id: vm }))[0] ?? {}, 'hostname')
  }, 120_000)

  afterAll(async () => {
    await several.stop()
    rmSync(parent, { recursive: true, force: true })
  }, 90_000)

  it('cannot revert a volume under what was written since', async () => {
    const id = await volumeWith(OLD)
    await write(id, SNAPPED)
    const asked = { volumeid: id, locationtype: 'primary' }
    const snapshot = text(await zombie.run('createSnapshot', asked), 'id')
    await write(id, OLD)
    await zombie.run('detachVolume', { id })
    const late = await stoppedInside('array/revert/revert', async () =>
      zombie.submit('revertSnapshot', { id: snapshot }),
    )
    await other.run('attachVolume', { id, virtualmachineid: vm })
    expect(await read(id)).toEqual(SNAPPED)
    await write(id, NEW)
    expect(await late.arrives()).toEqual(['FENCED'])
    expect(await read(id)).toEqual(NEW)
    await goneAgain(id, snapshot)
  }, 90_000)

  it('cannot take access away that was given since', async () => {
    const id = await volumeWith(OLD)
    const late = await stoppedInside('array/access/withdraw', async () => zombie.submit('detachVolume', { id }))
    await other.run('attachVolume', { id, virtualmachineid: vm })
    expect(await late.arrives()).toEqual(['FENCED'])
    await write(id, NEW)
    expect(await read(id)).toEqual(NEW)
    await goneAgain(id)
  }, 90_000)

  it('cannot give access that was taken away since', async () => {
    const id = await volumeWith(OLD)
    await zombie.run('detachVolume', { id })
    const attach = { id, virtualmachineid: vm }
    const late = await stoppedInside('array/access/expose', async () => zombie.submit('attachVolume', attach))
    await other.run('detachVolume', { id })
    expect(await late.arrives()).toEqual(['FENCED'])
    expect(await findings(other)).toEqual([])
    await goneAgain(id)
  }, 90_000)

  it('cannot delete what somebody else still has, nor make anew what was deleted', async () => {
    const id = await volumeWith(OLD)
    await zombie.run('detachVolume', { id })
    const asked = { volumeid: id, locationtype: 'primary' }
    const snapshot = text(await zombie.run('createSnapshot', asked), 'id')
    const late = await stoppedInside('array/snapshots/delete', async () =>
      zombie.submit('deleteSnapshot', { id: snapshot }),
    )
    const kept = text(await other.run('createSnapshot', asked), 'id')
    await late.arrives()
    expect(await other.list('listSnapshots', { id: kept })).toMatchObject([{ state: 'BackedUp' }])
    const fresh = text(
      await zombie.run('createVolume', { name: 'fresh', zoneid: zone, diskofferingid: offering }),
      'id',
    )
    const attach = { id: fresh, virtualmachineid: vm }
    const making = await stoppedInside('array/volumes/create', async () => zombie.submit('attachVolume', attach))
    await goneAgain(fresh)
    await making.arrives()
    expect(await findings(other)).toEqual([])
    await goneAgain(id, kept)
  }, 120_000)

  /** A volume of the VM's with these bytes. */
  async function volumeWith(bytes: Buffer): Promise<string> {
    const id = text(await zombie.run('createVolume', { name: 'zombie', zoneid: zone, diskofferingid: offering }), 'id')
    await zombie.run('attachVolume', { id, virtualmachineid: vm })
    await write(id, bytes)
    return id
  }

  /** Deletes what a test made, by the controller that was never stopped; then nothing is off. */
  async function goneAgain(id: string, snapshot?: string): Promise<void> {
    if (snapshot !== undefined) await other.run('deleteSnapshot', { id: snapshot })
    if ((await other.list('listVolumes', { id }))[0]?.['virtualmachineid'] !== undefined)
      await other.run('detachVolume', { id })
    await other.run('destroyVolume', { id, expunge: true })
    expect(await findings(other)).toEqual([])
  }

  /**
   * Stops the controller inside the array's `method`, lets the other one take over and end the operation. `arrives`: lets
   * the call go on in the array and the controller after it, and answers what came of the call.
   */
  async function stoppedInside(
    method: string,
    ask: () => Promise<{ readonly job: string }>,
  ): Promise<{ arrives(): Promise<readonly string[]> }> {
    const faults = simulatorFaults(several.home)
    const send = simulatorMethods(several.home)
    const calls = async () => (await send<Calls>('calls/list', { method })).items
    const before = new Set((await calls()).map(({ seq }) => seq))
    await faults.arm({ method, kind: 'hold-before' })
    const { job } = await ask()
    await until(async () => ((await faults.held()) === 1 ? true : undefined), { what: 'a held call', withinMs: 20_000 })
    const fresh = (await calls()).filter(({ seq, outcome }) => !before.has(seq) && outcome === 'open')
    const held = new Set(fresh.map(({ seq }) => seq))
    const pid = several.all[0]?.pid() ?? 0
    process.kill(pid, 'SIGSTOP')
    try {
      await other.job(job)
    } catch (error) {
      process.kill(pid, 'SIGCONT')
      throw error
    }
    return {
      async arrives() {
        await faults.clear()
        const ended = async () => {
          const mine = (await calls()).filter(({ seq }) => held.has(seq))
          return mine.some(({ outcome }) => outcome === 'open') ? undefined : mine.map(({ outcome }) => outcome)
        }
        const outcomes = await until(ended, { what: 'the late call to end', withinMs: 10_000 })
        process.kill(pid, 'SIGCONT')
        // It answers, and knows that it lost: nothing runs or waits.
        expect(await zombie.list('listOperations', { state: 'open', listall: true })).toEqual([])
        return outcomes
      },
    }
  }

  async function write(volume: string, bytes: Buffer): Promise<void> {
    const data = bytes.toString('base64')
    await simulatorMethods(several.home)('io/write', { host, vm, volume, offset: 0, data })
  }

  async function read(volume: string): Promise<Buffer> {
    const at = { host, vm, volume, offset: 0, length: PIECE }
    const { data } = await simulatorMethods(several.home)<{ readonly data: string }>('io/read', at)
    return Buffer.from(data, 'base64')
  }
})

interface Calls {
  readonly items: readonly { readonly seq: number; readonly outcome: string }[]
}
