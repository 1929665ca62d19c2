import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { locationOf } from '../store/locations.ts'
import { vmById } from '../store/vms.ts'
import { startWorld, type World } from './testing/world.ts'
import { vmStart } from './vm-start.ts'
import { volumeAttach } from './volume-attach.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => world.stop())

describe('what belongs to a plug-in that this controller does not have', () => {
  async function owned(table: 'pool' | 'host', id: string, plugin: string): Promise<void> {
    const set = table === 'pool' ? { provider: plugin } : { plugin }
    await world.store.transact(async (tx) => {
      await tx.updateTable(table).set(set).where('id', '=', id).execute()
    })
  }
  afterEach(async () => {
    await owned('pool', world.pools.fast, 'simulator')
    await owned('host', world.hosts.one, 'simulator')
  })

  test('does not keep other pools and hosts from being chosen', async () => {
    await owned('pool', world.pools.fast, 'acme')
    await owned('host', world.hosts.one, 'acme')
    const [vm, volume] = [await world.vm(), await world.volume()]
    await world.done(vmStart, { vm })
    await world.done(volumeAttach, { volume, vm })
    expect(await vmById(world.store.reader, vm)).toMatchObject({ hostId: world.hosts.two })
    expect(await locationOf(world.store.reader, volume)).toMatchObject({ poolId: world.pools.slow })
  })

  test('is named with the reason, for operators, when nothing else would do', async () => {
    await owned('pool', world.pools.fast, 'acme')
    const [vm, volume] = [await world.vm(), await world.volume({ tags: ['fast'] })]
    const { failure } = await world.run(volumeAttach, { volume, vm })
    expect(failure).toMatchObject({ code: 'NO_CAPACITY' })
    expect(failure?.internal).toContain('no plug-in is called acme')
    expect(failure?.text).not.toContain('acme')
  })
})
