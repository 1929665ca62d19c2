import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  checkNames,
  checkNoIo,
  checkRequiredSettings,
  checkSettings,
  checkUnreachable,
  checkUrls,
  checkWrongSecret,
} from '../plugin.ts'
import { NotApplicable } from '../runner.ts'
import { checkGivingUp, checkSilent } from '../line.ts'
import { comes } from '../check.ts'
import type { StorageCase } from './context.ts'

/** Promises of `StoragePlugin.open`, `pools` and `limits`. */
export const poolCases: readonly StorageCase[] = [
  {
    name: 'a pool reports a stable identity and sizes that make sense',
    needs: [],
    async run(c) {
      const [one, two] = [await c.provider.pools.report(c.call()), await c.provider.pools.report(c.call())]
      assert.ok(one.identity.length > 0)
      assert.equal(two.identity, one.identity)
      assert.ok(Number.isSafeInteger(one.totalBytes) && one.totalBytes > 0, `totalBytes ${one.totalBytes}`)
      assert.ok(one.usedBytes >= 0 && one.usedBytes <= one.totalBytes, `usedBytes ${one.usedBytes}`)
      assert.ok(one.iops === undefined || one.iops > 0, `iops ${one.iops}`)
    },
  },
  {
    name: 'a pool has one identity, whoever asks',
    needs: ['stranger'],
    async run(c) {
      const [ours, theirs] = [await c.provider.pools.report(c.call()), await c.stranger.pools.report(c.call())]
      assert.equal(ours.identity, theirs.identity)
    },
  },
  {
    name: 'what a pool says of the way to it is what its connections say',
    needs: [],
    async run(c) {
      const { reach } = await c.provider.pools.report(c.call())
      if (!reach) throw new NotApplicable('the pool does not say how it is reached')
      const { connection } = await c.exposed({ kind: 'volume', id: (await c.volume()).id })
      assert.equal(reach.via, connection.via)
      if (connection.via === 'iscsi' && reach.via === 'iscsi') assert.ok(reach.portals.includes(connection.portal))
      if (connection.via !== 'file' || reach.via !== 'file') return
      assert.ok(connection.path.startsWith(`${reach.directory}/`), `${connection.path} is elsewhere`)
      const mark = await readFile(join(reach.directory, reach.mark.name), 'utf8')
      assert.equal(mark.trim(), reach.mark.text)
    },
  },
  {
    name: 'limits are numbers that fit together',
    needs: [],
    async run(c) {
      const { minVolumeBytes, maxVolumeBytes, granularityBytes, qos } = c.provider.limits
      for (const n of [minVolumeBytes, maxVolumeBytes, granularityBytes]) assert.ok(Number.isSafeInteger(n) && n > 0)
      assert.ok(minVolumeBytes <= maxVolumeBytes)
      assert.ok(granularityBytes <= maxVolumeBytes)
      assert.equal(qos !== undefined, c.provider.qos !== undefined, 'limits.qos is there exactly with the facet qos')
      if (!qos) return
      assert.ok(qos.axes.length > 0 && qos.parts.length > 0)
      assert.ok(!qos.iops || qos.iops.min <= qos.iops.max)
    },
  },
  {
    name: 'a plug-in names itself, its schemes, its protocols and its settings',
    needs: ['plugin'],
    async run(c) {
      const { plugin } = c.opened
      checkNames(c.opened)
      checkSettings(plugin.offeringSettings)
      assert.equal(plugin.kind, 'storage')
      assert.ok(plugin.protocols.length > 0)
    },
  },
  {
    name: 'opening without a required setting is refused as INVALID, which names the setting',
    needs: ['plugin'],
    run: (c) => checkRequiredSettings(c.opened, c.audit),
  },
  {
    name: 'opening a url that it does not understand is refused as INVALID',
    needs: ['plugin'],
    run: (c) => checkUrls(c.opened, c.audit),
  },
  {
    name: 'opening speaks to nobody',
    needs: ['plugin'],
    run: (c) => checkNoIo(c.opened),
  },
  {
    name: 'a wrong secret is refused as DENIED, and the secret is not shown',
    needs: ['plugin'],
    run: (c) => checkWrongSecret(c.opened, { audit: c.audit, report: (pool) => pool.pools.report(c.call()) }),
  },
  {
    name: 'an array that is not there is reported as UNAVAILABLE or TIMEOUT, with effect none',
    needs: ['plugin'],
    run: (c) =>
      checkUnreachable(c.opened, {
        call: () => c.call({ withinMs: 5000 }),
        report: (pool, call) => pool.pools.report(call),
      }),
  },
  {
    name: 'an array that takes connections and never answers is reported as TIMEOUT when the time is up',
    needs: ['plugin'],
    run: (c) =>
      checkSilent(c.opened, { call: (time) => c.call(time), report: (pool, call) => pool.pools.report(call) }),
  },
  {
    name: 'a caller that gives up on an array that never answers is free at once',
    needs: ['plugin'],
    run: (c) =>
      checkGivingUp(c.opened, { call: (time) => c.call(time), report: (pool, call) => pool.pools.report(call) }),
  },
  {
    name: 'what is written counts as used in the report of the pool',
    needs: ['connect'],
    async run(c) {
      const used = async () => (await c.provider.pools.report(c.call())).usedBytes
      const rises = async () => {
        const before = await used()
        await c.cover({ kind: 'volume', id: (await c.volume()).id }, 1)
        return comes(500, async () => (await used()) >= before + c.bytes / 2)
      }
      // Others may free bytes of the same pool meanwhile: not each time.
      assert.ok((await rises()) || (await rises()) || (await rises()), 'what is written is not counted')
    },
  },
]
