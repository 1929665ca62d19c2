import assert from 'node:assert/strict'
import {
  checkNames,
  checkNoIo,
  checkRequiredSettings,
  checkUnreachable,
  checkUrls,
  checkWrongSecret,
} from '../plugin.ts'
import type { HypervisorCase } from './context.ts'

/** Promises of `HypervisorPlugin.open`, `hosts` and `limits`. */
export const hostCases: readonly HypervisorCase[] = [
  {
    name: 'a host reports a stable identity, its size, and the initiator name of its guests’ disks',
    needs: [],
    async run(c) {
      const [one, two] = [await c.adapter.hosts.report(c.call()), await c.adapter.hosts.report(c.call())]
      assert.ok(one.identity.length > 0)
      assert.equal(two.identity, one.identity)
      assert.ok(one.cpus > 0 && one.memoryBytes > 0)
      assert.match(one.initiator, /^(iqn|eui|naa)\./, 'an iSCSI name (RFC 3720 §3.2.6.3)')
    },
  },
  {
    name: 'a host has one identity, whoever asks',
    needs: ['stranger'],
    async run(c) {
      const [ours, theirs] = [await c.adapter.hosts.report(c.call()), await c.stranger.hosts.report(c.call())]
      assert.equal(ours.identity, theirs.identity)
    },
  },
  {
    name: 'limits of a host are there exactly with the facets that they are about',
    needs: [],
    async run(c) {
      const { maxDisksPerVm, qos } = c.adapter.limits
      assert.ok(Number.isSafeInteger(maxDisksPerVm) && maxDisksPerVm > 0)
      assert.equal(qos !== undefined, c.adapter.throttle !== undefined, 'limits.qos is there exactly with throttle')
      assert.ok(c.adapter.accepts.length > 0)
    },
  },
  {
    name: 'a plug-in names itself, its hypervisor, its schemes and its settings',
    needs: ['plugin'],
    async run(c) {
      checkNames(c.opened)
      assert.equal(c.opened.plugin.kind, 'hypervisor')
      assert.ok(c.opened.plugin.hypervisor.length > 0)
    },
  },
  {
    name: 'opening a host without a required setting is refused as INVALID, which names the setting',
    needs: ['plugin'],
    run: (c) => checkRequiredSettings(c.opened, c.audit),
  },
  {
    name: 'opening a host under a url that it does not understand is refused as INVALID',
    needs: ['plugin'],
    run: (c) => checkUrls(c.opened, c.audit),
  },
  {
    name: 'opening a host speaks to nobody',
    needs: ['plugin'],
    run: (c) => checkNoIo(c.opened),
  },
  {
    name: 'a wrong secret of a host is refused as DENIED, and the secret is not shown',
    needs: ['plugin'],
    run: (c) => checkWrongSecret(c.opened, { audit: c.audit, report: (host) => host.hosts.report(c.call()) }),
  },
  {
    name: 'a host that is not there is reported as UNAVAILABLE or TIMEOUT, with effect none',
    needs: ['plugin'],
    run: (c) =>
      checkUnreachable(c.opened, {
        call: () => c.call({ withinMs: 5000 }),
        report: (host, call) => host.hosts.report(call),
      }),
  },
]
