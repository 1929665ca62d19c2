import assert from 'node:assert/strict'
import type { Call } from '@moorage/contract'
import { failureOf, stays } from '../check.ts'
import { maximum } from '../qos.ts'
import type { HypervisorCase, HypervisorContext } from './context.ts'

/** Promises of `Call`: deadlines and callers that give up. */
export const callCases: readonly HypervisorCase[] = [
  {
    name: 'every change on a host whose time is up ends in TIMEOUT, and effect none means that nothing was changed',
    needs: [],
    run: (c) => noneMeansNothing(c, () => c.call({ withinMs: 0 })),
  },
  {
    name: 'every change on a host that its caller has given up ends in TIMEOUT, and effect none means no change',
    needs: [],
    run: (c) => noneMeansNothing(c, () => c.call({ signal: AbortSignal.abort() })),
  },
  {
    name: 'a start that its caller gives up halfway is settled by asking again',
    needs: [],
    async run(c) {
      const spec = c.spec()
      await givenUp(c, (call) => c.adapter.vms.start(spec, call))
      assert.equal((await c.adapter.vms.start(spec, c.call())).state, 'running')
      assert.equal((await c.ours()).filter((item) => item.kind === 'vm').length, 1)
    },
  },
  {
    name: 'an attach that its caller gives up halfway is settled by asking again',
    needs: [],
    async run(c) {
      const [vm, disk] = [await c.vm(), await c.disk()]
      await givenUp(c, (call) => c.adapter.disks.attach(vm.id, c.attachment(disk), call))
      assert.equal((await c.adapter.disks.attach(vm.id, c.attachment(disk), c.call())).volume, disk.volume)
      assert.deepEqual(await c.ourDisks(), [`${vm.id} ${disk.volume} 1`])
    },
  },
  {
    name: 'what was given up does not start after a stop with a higher fence has undone it',
    needs: [],
    async run(c) {
      const spec = c.spec()
      await failureOf(c.adapter.vms.start(spec, c.call({ withinMs: 0 })))
      await givenUp(c, (call) => c.adapter.vms.start(spec, call))
      await c.adapter.vms.stop(spec.id, { force: true }, c.call())
      await stays('it ran after it was undone', 500, async () => {
        return ((await c.adapter.vms.get(spec.id, c.call()))?.state ?? 'stopped') === 'stopped'
      })
    },
  },
]

/** A change, and whether it has come about. */
interface Change {
  readonly what: string
  run(call: Call): Promise<unknown>
  came(): Promise<boolean>
}

/** Each change is tried with a call that is too late, and must then be as if nobody had asked, if it says so. */
async function noneMeansNothing(c: HypervisorContext, late: () => Call): Promise<void> {
  for (const { what, run, came } of await changes(c)) {
    const error = await failureOf(run(late()))
    assert.equal(error?.code, 'TIMEOUT', what)
    if (error.effect === 'none') assert.equal(await came(), false, `${what} said that it had no effect`)
  }
}

async function changes(c: HypervisorContext): Promise<readonly Change[]> {
  const { vms, disks, throttle } = c.adapter
  const [spec, held, more] = [c.spec(), await c.disk(), await c.disk()]
  const vm = await c.vm([c.attachment(held)])
  const { qos } = c.adapter.limits
  const runs = async (id: typeof vm.id) => ((await vms.get(id, c.call()))?.state ?? 'stopped') !== 'stopped'
  const has = async (volume: typeof held.volume) => {
    return (await vms.get(vm.id, c.call()))?.disks.some((disk) => disk.volume === volume) === true
  }
  return [
    { what: 'start', run: (call: Call) => vms.start(spec, call), came: () => runs(spec.id) },
    {
      what: 'attach',
      run: (call: Call) => disks.attach(vm.id, c.attachment(more, { deviceId: 2 }), call),
      came: () => has(more.volume),
    },
    throttle &&
      qos && {
        what: 'throttle',
        run: (call: Call) => throttle.apply(vm.id, { volume: held.volume, qos: maximum(qos, 1) }, call),
        came: async () => Object.keys(await throttle.read(vm.id, held.volume, c.call())).length > 0,
      },
    { what: 'reboot', run: (call: Call) => vms.reboot(vm.id, call), came: async () => !(await has(held.volume)) },
    {
      what: 'detach',
      run: (call: Call) => disks.detach(vm.id, c.attachment(held), call),
      came: async () => !(await has(held.volume)),
    },
    {
      what: 'stop',
      run: (call: Call) => vms.stop(vm.id, { force: true }, call),
      came: async () => !(await runs(vm.id)),
    },
  ].filter((each) => each !== undefined)
}

/** Lets a caller give up right after it asked. */
async function givenUp(c: HypervisorContext, ask: (call: Call) => Promise<unknown>): Promise<void> {
  const giveUp = new AbortController()
  const answer = failureOf(ask(c.call({ signal: giveUp.signal })))
  setImmediate(() => giveUp.abort())
  const error = await answer
  if (error) assert.equal(error.code, 'TIMEOUT')
}
