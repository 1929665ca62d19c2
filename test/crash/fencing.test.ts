import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Entity, text } from '../../lab/api.ts'
import { labVerifier } from '../../lab/parts.ts'
import { until } from '../../lab/process.ts'
import { startHostd } from '../../lab/stack.ts'
import { SILENT } from '../../lab/terminal.ts'
import { findings } from '../support/census.ts'
import { machineIo, machineWrites } from '../support/machine-io.ts'
import { connectionsOf, killDaemon, only, processesOf } from '../support/processes.ts'
import { realLab, type RealLab } from '../support/real-lab.ts'
import { secondHost, type SecondHost } from '../support/second-host.ts'

const QEMU = 'qemu-system-x86_64'
const MIB = 2 ** 20
const VOLUME_BYTES = 1024 * MIB
const WRITTEN_BYTES = 128 * MIB
/** What the lost host writes, before and after; and what the other one writes. */
const [OF_A, LATE_OF_A, OF_B] = [0x41, 0x43, 0x42]

/**
 * A host that is only asleep is the worst kind of dead. Real SAN, two host daemons, machines without guests: QEMU on host A
 * is stopped in the middle of a write, its VM is started on B and writes, and A wakes up.
 */
describe('a VM whose host was lost in the middle of a write, started on another host of the real SAN', () => {
  let lab: RealLab
  let second: SecondHost
  let volume = ''
  let hostA = ''
  const at = () => ({ vm: lab.cloud.vm, volume })
  const portal = () => Number(lab.at.listen.portal.split(':').at(-1))
  const qemuA = () => only(QEMU, `${lab.at.hostd}/`)

  beforeAll(async () => {
    lab = await realLab('guestless')
    hostA = text((await lab.api.list('listHosts', { type: 'Routing' }))[0] ?? {}, 'id')
    second = await secondHost(lab)
    // The limit keeps a large write under way for a second.
    const sold = { name: 'limited', displaytext: 'limited', disksize: 1, miniops: 100, maxiops: 1000 }
    const diskofferingid = text(await lab.api.run('createDiskOffering', sold), 'id')
    volume = text(await lab.api.run('createVolume', { name: 'v', zoneid: lab.cloud.zone, diskofferingid }), 'id')
    await lab.api.run('attachVolume', { id: volume, virtualmachineid: lab.cloud.vm })
    await lab.api.run('updateVirtualMachine', { id: lab.cloud.vm, haenable: true })
  }, 180_000)

  afterAll(async () => {
    for (const pid of processesOf(QEMU, `${lab.at.hostd}/`)) process.kill(pid, 'SIGCONT')
    await second.stop()
    await lab.stop()
  }, 180_000)

  it('is in the middle of a write when its host falls silent', async () => {
    expect(await vm()).toMatchObject({ hostid: hostA, state: 'Running' })
    await killDaemon(lab.at.hostd)
    await machineIo(lab.at.hostd, at(), `aio_write -P ${OF_A} 0 ${WRITTEN_BYTES}`)
    // Nothing has ended when QEMU is stopped a moment later: the SAN lets a thousand parts through in a second.
    expect(await machineWrites(lab.at.hostd, at())).toEqual({ done: 0, failed: 0 })
    process.kill(qemuA(), 'SIGSTOP')
  })

  it('runs on the other host once the first was declared lost, and writes there', async () => {
    expect(await lab.api.run('declareHostLost', { id: hostA })).toMatchObject({ state: 'Down' })
    const there = async () => {
      const { hostid, state } = await vm()
      return hostid === second.id && state === 'Running' ? true : undefined
    }
    await until(there, { what: 'the VM to run on the second host', withinMs: 90_000, everyMs: 200 })
    await killDaemon(second.dir)
    const said = await machineIo(second.dir, at(), `write -P ${OF_B} 0 ${WRITTEN_BYTES}`)
    expect(said).not.toMatch(/fail|error/i)
    await second.start()
  }, 180_000)

  it('the first host wakes up, and what it had begun and what it begins now is refused by the SAN', async () => {
    const asleep = connectionsOf(qemuA(), portal())
    expect(asleep).toHaveLength(1)
    process.kill(qemuA(), 'SIGCONT')
    await machineIo(lab.at.hostd, at(), `aio_write -P ${LATE_OF_A} ${WRITTEN_BYTES} 1M`)
    const awake = async () => (connectionsOf(qemuA(), portal()).some((one) => asleep.includes(one)) ? undefined : true)
    await until(awake, { what: 'the lost host to find its session ended', withinMs: 60_000, everyMs: 100 })
    const { initiator } = await host()
    expect(await labVerifier(lab.at).refusal(volume, String(initiator))).toMatch(/Target not found/)
    // What it cannot send waits for ever: nothing was acknowledged.
    expect(await machineWrites(lab.at.hostd, at())).toMatchObject({ done: 0 })
  }, 90_000)

  it('what is on the LUN is what the second host wrote, to the last byte', async () => {
    // Reading all of it twice through the limit would take a minute.
    const sold = { name: 'fast', displaytext: 'fast', disksize: 1, miniops: 100, maxiops: 100_000 }
    const diskofferingid = text(await lab.api.run('createDiskOffering', sold), 'id')
    await lab.api.run('changeOfferingForVolume', { id: volume, diskofferingid })
    expect(await labVerifier(lab.at).digest(volume)).toBe(digestOf(OF_B))
  }, 120_000)

  it('the first host is Up again once its stale machine was ended, and nothing is left over', async () => {
    await startHostd(lab.at, SILENT)
    await until(async () => ((await host())['state'] === 'Up' ? true : undefined), {
      what: 'the first host to be Up',
      withinMs: 150_000,
      everyMs: 500,
    })
    expect(processesOf(QEMU, `${lab.at.hostd}/`)).toEqual([])
    expect(await vm()).toMatchObject({ state: 'Running', hostid: second.id })
    expect(await findings(lab.api)).toEqual([])
    expect(await labVerifier(lab.at).digest(volume)).toBe(digestOf(OF_B))
  }, 240_000)

  async function vm(): Promise<Entity> {
    return (await lab.api.list('listVirtualMachines', { id: lab.cloud.vm }))[0] ?? {}
  }

  async function host(): Promise<Entity> {
    return (await lab.api.list('listHosts', { id: hostA }))[0] ?? {}
  }
})

/** Of a volume that begins with this byte, as far as was written, and holds zeroes from there. */
function digestOf(byte: number): string {
  const hash = createHash('sha256')
  for (let offset = 0; offset < VOLUME_BYTES; offset += MIB)
    hash.update(Buffer.alloc(MIB, offset < WRITTEN_BYTES ? byte : 0))
  return hash.digest('hex')
}
