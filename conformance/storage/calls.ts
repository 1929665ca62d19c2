import assert from 'node:assert/strict'
import type { Call, SnapshotId, VolumeId } from '@moorage/contract'
import { failureOf, pattern, stays } from '../check.ts'
import { checkLostAnswers } from '../line.ts'
import { maximum } from '../qos.ts'
import type { StorageCase, StorageContext } from './context.ts'

/** Promises of `Call`: deadlines, callers that give up, lost answers. */
export const callCases: readonly StorageCase[] = [
  {
    name: 'every change whose time is up ends in TIMEOUT, and effect none means that nothing was changed',
    needs: [],
    run: (c) => noneMeansNothing(c, () => c.call({ withinMs: 0 })),
  },
  {
    name: 'every change that its caller has given up ends in TIMEOUT, and effect none means that nothing was changed',
    needs: [],
    run: (c) => noneMeansNothing(c, () => c.call({ signal: AbortSignal.abort() })),
  },
  {
    name: 'a create with little time left ends soon, and asking again settles it',
    needs: [],
    async run(c) {
      const spec = c.spec(c.volumeId())
      const began = Date.now()
      const error = await failureOf(c.provider.volumes.create(spec, c.call({ withinMs: 20 })))
      assert.ok(Date.now() - began < 5000, 'a deadline of 20 ms is not kept within 5 s')
      if (error) assert.equal(error.code, 'TIMEOUT')
      await settled(c, spec)
    },
  },
  {
    name: 'a create that its caller gives up halfway is settled by asking again',
    needs: [],
    async run(c) {
      const spec = c.spec(c.volumeId())
      await givenUp((call) => c.provider.volumes.create(spec, call), c)
      await settled(c, spec)
    },
  },
  {
    name: 'a delete that its caller gives up halfway is settled by asking again',
    needs: [],
    async run(c) {
      const made = await c.volume()
      await givenUp((call) => c.provider.volumes.delete(made.id, call), c)
      await c.provider.volumes.delete(made.id, c.call())
      assert.equal(await c.has(made.id), false)
    },
  },
  {
    name: 'an expose that its caller gives up halfway is settled by asking again',
    needs: [],
    async run(c) {
      const exposure = c.exposure({ kind: 'volume', id: (await c.volume()).id })
      await givenUp((call) => c.provider.access.expose(exposure, call), c)
      const connection = await c.provider.access.expose(exposure, c.call())
      assert.deepEqual(await c.provider.access.expose(exposure, c.call()), connection)
      assert.equal((await c.exposures()).length, 1)
    },
  },
  {
    name: 'what was given up does not come about after a delete with a higher fence has undone it',
    needs: [],
    async run(c) {
      const spec = c.spec(c.volumeId())
      await failureOf(c.provider.volumes.create(spec, c.call({ withinMs: 0 })))
      await givenUp((call) => c.provider.volumes.create(spec, call), c)
      await c.provider.volumes.delete(spec.id, c.call())
      await stays('it came into being after it was undone', 500, async () => !(await c.has(spec.id)))
    },
  },
  {
    name: 'a change whose answer was lost is not said to have had no effect, and asking again settles it',
    needs: ['plugin'],
    async run(c) {
      const spec = c.spec(c.volumeId())
      const exposure = c.exposure({ kind: 'volume', id: spec.id })
      await checkLostAnswers(c.opened, {
        call: (time) => c.call(time),
        watch: (provider) => c.audit.watch(provider),
        report: (provider, call) => provider.pools.report(call),
        changes: [
          { what: 'create', run: ({ volumes }, call) => volumes.create(spec, call), came: () => c.has(spec.id) },
          {
            what: 'expose',
            run: ({ access }, call) => access.expose(exposure, call),
            came: async () => (await c.exposures()).length === 1,
          },
          {
            what: 'withdraw',
            run: ({ access }, call) => access.withdraw(exposure, call),
            came: async () => (await c.exposures()).length === 0,
          },
          {
            what: 'delete',
            run: ({ volumes }, call) => volumes.delete(spec.id, call),
            came: async () => !(await c.has(spec.id)),
          },
        ],
      })
    },
  },
  {
    name: 'calls of one step that share a key do what each of them asks',
    needs: [],
    async run(c) {
      const [one, two, { key }] = [c.spec(c.volumeId()), c.spec(c.volumeId()), c.call()]
      const { volumes } = c.provider
      assert.equal((await volumes.create(one, { ...c.call(), key })).id, one.id)
      assert.equal((await volumes.create(two, { ...c.call(), key })).id, two.id)
      await volumes.delete(one.id, { ...c.call(), key })
      assert.deepEqual([await c.has(one.id), await c.has(two.id)], [false, true])
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
async function noneMeansNothing(c: StorageContext, late: () => Call): Promise<void> {
  for (const { what, run, came } of [...(await mandatory(c)), ...(await optional(c))]) {
    const error = await failureOf(run(late()))
    assert.equal(error?.code, 'TIMEOUT', what)
    if (error.effect === 'none') assert.equal(await came(), false, `${what} said that it had no effect`)
  }
}

async function mandatory(c: StorageContext): Promise<readonly Change[]> {
  const { volumes, access } = c.provider
  const [volume, spec] = [await c.volume(), c.spec(c.volumeId())]
  const source = { kind: 'volume', id: volume.id } as const
  const exposure = c.exposure(source)
  const exposed = await c.exposed({ kind: 'volume', id: (await c.volume()).id })
  return [
    { what: 'create', run: (call) => volumes.create(spec, call), came: () => c.has(spec.id) },
    {
      what: 'expose',
      run: (call) => access.expose(exposure, call),
      came: async () => (await c.exposures()).length !== 1,
    },
    {
      what: 'withdraw',
      run: (call) => access.withdraw(exposed, call),
      came: async () => (await c.exposures()).length === 0,
    },
    { what: 'delete', run: (call) => volumes.delete(volume.id, call), came: async () => !(await c.has(volume.id)) },
  ]
}

async function optional(c: StorageContext): Promise<readonly Change[]> {
  const { snapshots, clones, resize, qos } = c.provider
  const { id } = await c.volume()
  const spec = c.spec(c.volumeId())
  const [fresh, taken] = snapshots ? [c.snapshotId(), await c.snapshot(id)] : []
  const { qos: keeps } = c.provider.limits
  return [
    snapshots &&
      fresh && {
        what: 'snapshot',
        run: (call: Call) => snapshots.create({ id: fresh, volume: id }, call),
        came: async () => (await c.snapshotIds()).length !== 1,
      },
    snapshots &&
      taken && {
        what: 'delete of a snapshot',
        run: (call: Call) => snapshots.delete(taken.id, call),
        came: async () => (await snapshots.get(taken.id, c.call())) === undefined,
      },
    taken && (await revertOf(c, { volume: id, to: taken.id })),
    clones && {
      what: 'clone',
      run: (call: Call) => clones.clone({ kind: 'volume', id }, spec, call),
      came: () => c.has(spec.id),
    },
    resize && {
      what: 'growth',
      run: (call: Call) => resize.grow(id, c.bytes * 2, call),
      came: async () => (await c.provider.volumes.get(id, c.call()))?.bytes !== c.bytes,
    },
    qos &&
      keeps && {
        what: 'QoS',
        run: (call: Call) => qos.apply(id, maximum(keeps, 1), call),
        came: async () => Object.keys(await qos.read(id, c.call())).length > 0,
      },
  ].filter((each) => each !== undefined)
}

/** A revert can be told from none only by bytes: the volume holds what the snapshot does not. */
async function revertOf(
  c: StorageContext,
  at: { readonly volume: VolumeId; readonly to: SnapshotId },
): Promise<Change | undefined> {
  const { revert } = c.provider
  if (!revert || !c.bench.connect) return undefined
  const source = { kind: 'volume', id: at.volume } as const
  await c.withDisk(source, (disk) => disk.write(0, pattern(1, 4096)))
  return {
    what: 'revert',
    run: (call) => revert.revert(at.volume, at.to, call),
    async came() {
      const seen = await c.bytesOf(source, { offset: 0, length: 4096 })
      return seen.every((byte) => byte === 0)
    },
  }
}

/** Lets a caller give up right after it asked. */
async function givenUp(ask: (call: Call) => Promise<unknown>, c: StorageContext): Promise<void> {
  const giveUp = new AbortController()
  const answer = failureOf(ask(c.call({ signal: giveUp.signal })))
  setImmediate(() => giveUp.abort())
  const error = await answer
  if (error) assert.equal(error.code, 'TIMEOUT')
}

async function settled(c: StorageContext, spec: ReturnType<StorageContext['spec']>): Promise<void> {
  const made = await c.provider.volumes.create(spec, c.call())
  assert.equal(made.bytes, spec.bytes)
  const volumes = (await c.ours()).filter((item) => item.kind === 'volume')
  assert.deepEqual(
    volumes.map((item) => item.id),
    [spec.id],
  )
}
