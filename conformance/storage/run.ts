import assert from 'node:assert/strict'
import { type InventoryItem, STORAGE_CAPABILITIES, type StorageProvider } from '@moorage/contract'
import { newAudit } from '../audit.ts'
import { everyStep } from '../calls.ts'
import { notRefused } from '../check.ts'
import { checkMethods } from '../plugin.ts'
import { consumerOf, type StorageCase, StorageContext } from './context.ts'
import type { StorageBench, StorageSubject } from './subject.ts'

/**
 * Runs one case against a subject: makes a bench, runs the case, takes away what it made, and throws when a promise was
 * broken, a rule of every call was breached, or something was left over. Throws `NotApplicable` when the case finds that
 * it says nothing about this subject.
 */
export async function runStorageCase(each: StorageCase, subject: StorageSubject): Promise<void> {
  const bench = await subject.make()
  try {
    refuseUndeclared(bench, subject)
    const audit = newAudit()
    const context = new StorageContext(bench, audit)
    const before = new Set((await context.ours()).map(keyOf))
    await everyStep([
      () => notRefused(each.run(context)),
      () => context.cleanUp(),
      async () => {
        const left = (await context.ours()).filter((item) => !before.has(keyOf(item)))
        await sweep(context, left)
        assert.deepEqual(left.map(keyOf), [], 'left over after the case')
      },
      async () => assert.deepEqual(audit.breaches, [], 'rules of every call'),
    ])
  } finally {
    await bench.dispose()
  }
}

const METHODS = {
  pools: ['report'],
  volumes: ['create', 'get', 'delete'],
  access: ['expose', 'withdraw'],
  inventory: ['list'],
  snapshots: ['create', 'get', 'delete'],
  groupSnapshots: ['prepare', 'commit', 'abort'],
  clones: ['clone'],
  resize: ['grow'],
  qos: ['apply', 'read'],
  revert: ['revert'],
  changeList: ['extents'],
  stats: ['read'],
} as const satisfies { readonly [Facet in Exclude<keyof StorageProvider, 'limits'>]: readonly string[] }

function refuseUndeclared(bench: StorageBench, subject: StorageSubject): void {
  checkMethods(bench.provider, METHODS)
  for (const name of STORAGE_CAPABILITIES) {
    const [there, lacked] = [bench.provider[name] !== undefined, subject.lacks[name] !== undefined]
    assert.notEqual(
      there,
      lacked,
      `facet ${name} is ${there ? 'there' : 'absent'}, and the subject declares the opposite`,
    )
  }
  for (const name of ['console', 'paced'] as const) {
    assert.ok(!bench[name] || subject.lacks[name] === undefined, `the bench has ${name}, and is said to lack it`)
  }
  for (const name of ['connect', 'stranger', 'plugin'] as const) {
    const [there, lacked] = [bench[name] !== undefined, subject.lacks[name] !== undefined]
    assert.notEqual(
      there,
      lacked,
      `the bench ${there ? 'has' : 'has no'} ${name}, and the subject declares the opposite`,
    )
  }
}

function keyOf(item: InventoryItem): string {
  if (item.owner === 'foreign') return `${item.kind} ${item.name}`
  if (item.kind === 'exposure') return `exposure of ${item.source.kind} ${item.source.id} to ${item.consumer}`
  return `${item.kind} ${item.id}`
}

/** So that a case that failed halfway does not fail the next one on the same back end. What cannot go stays. */
async function sweep(context: StorageContext, items: Awaited<ReturnType<StorageContext['ours']>>): Promise<void> {
  const { access, volumes, snapshots } = context.provider
  const tries = items.map((item) => async () => {
    if (item.kind === 'exposure') {
      await access.withdraw({ source: item.source, consumer: consumerOf(item.consumer) }, context.call())
    } else if (item.kind === 'snapshot') await snapshots?.delete(item.id, context.call())
    else if (item.kind === 'volume') await volumes.delete(item.id, context.call())
  })
  const order = ['exposure', 'snapshot', 'volume', 'structure']
  const ranked = tries.map((run, index) => ({ run, rank: order.indexOf(items[index]?.kind ?? 'structure') }))
  for (const { run } of ranked.toSorted((a, b) => a.rank - b.rank)) await run().catch(() => undefined)
}
