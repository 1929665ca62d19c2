import assert from 'node:assert/strict'
import { HYPERVISOR_CAPABILITIES, type HypervisorAdapter, type HypervisorInventoryItem } from '@moorage/contract'
import { newAudit } from '../audit.ts'
import { everyStep } from '../calls.ts'
import { notRefused } from '../check.ts'
import { checkMethods } from '../plugin.ts'
import { type HypervisorCase, HypervisorContext } from './context.ts'
import type { HypervisorBench, HypervisorSubject } from './subject.ts'

/**
 * Runs one case against a subject: makes a bench, runs the case, stops what it started, and throws when a promise was
 * broken, a rule of every call was breached, or something was left over. Throws `NotApplicable` when the case finds that
 * it says nothing about this subject.
 */
export async function runHypervisorCase(each: HypervisorCase, subject: HypervisorSubject): Promise<void> {
  const bench = await subject.make()
  try {
    refuseUndeclared(bench, subject)
    const audit = newAudit()
    const context = new HypervisorContext(bench, { audit, subject })
    const before = new Set((await context.ours()).map(keyOf))
    await everyStep([
      () => notRefused(each.run(context)),
      () => context.cleanUp(),
      async () => {
        const left = (await context.ours()).filter((item) => !before.has(keyOf(item)) && !isStopped(item))
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
  hosts: ['report'],
  vms: ['start', 'get', 'stop', 'reboot'],
  disks: ['attach', 'detach'],
  inventory: ['list'],
  resize: ['refresh'],
  throttle: ['apply', 'read'],
  stats: ['read'],
  quiesce: ['freeze', 'thaw'],
  migration: ['describe', 'prepare', 'send', 'arrive', 'abandon', 'resume'],
  reach: ['prepare'],
  mirror: ['copy', 'switch', 'abandon'],
} as const satisfies { readonly [Facet in Exclude<keyof HypervisorAdapter, 'limits' | 'accepts'>]: readonly string[] }

function refuseUndeclared(bench: HypervisorBench, subject: HypervisorSubject): void {
  checkMethods(bench.adapter, METHODS)
  for (const name of HYPERVISOR_CAPABILITIES) {
    const [there, lacked] = [bench.adapter[name] !== undefined, subject.lacks[name] !== undefined]
    assert.notEqual(
      there,
      lacked,
      `facet ${name} is ${there ? 'there' : 'absent'}, and the subject declares the opposite`,
    )
  }
  for (const name of ['guest', 'stranger', 'plugin', 'peer'] as const) {
    const [there, lacked] = [bench[name] !== undefined, subject.lacks[name] !== undefined]
    assert.notEqual(
      there,
      lacked,
      `the bench ${there ? 'has' : 'has no'} ${name}, and the subject declares the opposite`,
    )
  }
}

function keyOf(item: HypervisorInventoryItem): string {
  if (item.owner === 'foreign') return `${item.kind} ${item.name}`
  if (item.kind === 'disk') return `disk ${item.volume} of ${item.vm}`
  return `${item.kind} ${item.id}`
}

/** The contract has no call that makes a host forget a machine, so one that is remembered as stopped is no leak. */
function isStopped(item: HypervisorInventoryItem): boolean {
  return item.owner === 'ours' && item.kind === 'vm' && item.state === 'stopped'
}

/** So that a case that failed halfway does not fail the next one on the same host. What cannot go stays. */
async function sweep(context: HypervisorContext, items: Awaited<ReturnType<HypervisorContext['ours']>>): Promise<void> {
  const vms = new Set(items.flatMap((item) => (item.kind === 'vm' ? [item.id] : item.kind === 'disk' ? [item.vm] : [])))
  for (const id of vms) await context.adapter.vms.stop(id, { force: true }, context.call()).catch(() => undefined)
}
