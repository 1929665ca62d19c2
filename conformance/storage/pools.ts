import assert from 'node:assert/strict'
import { refused } from '../check.ts'
import { NotApplicable } from '../runner.ts'
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
    name: 'a plug-in names itself, its schemes and its protocols',
    needs: ['plugin'],
    async run(c) {
      const plugin = c.bench.plugin?.plugin
      assert.ok(plugin)
      assert.equal(plugin.kind, 'storage')
      assert.equal(plugin.contract, 1)
      assert.match(plugin.name, /^[a-z][a-z0-9-]*$/)
      assert.ok(plugin.title.length > 0 && plugin.schemes.length > 0 && plugin.protocols.length > 0)
      for (const setting of [...plugin.settings, ...plugin.offeringSettings]) {
        assert.match(setting.name, /^[a-z][a-z0-9]*$/, 'settings are lower-case: CloudStack folds the case of details')
      }
    },
  },
  {
    name: 'opening without a required setting is refused as INVALID, which names the setting',
    needs: ['plugin'],
    async run(c) {
      assert.ok(c.bench.plugin)
      const { plugin, endpoint } = c.bench.plugin
      const required = plugin.settings.filter((setting) => setting.required)
      if (required.length === 0) throw new NotApplicable('the plug-in requires no setting')
      for (const { name } of required) {
        const settings = Object.fromEntries(Object.entries(endpoint.settings).filter(([key]) => key !== name))
        const error = await refused(
          opened(() => plugin.open({ ...endpoint, settings })),
          'INVALID',
        )
        assert.ok(error.message.includes(name), `"${error.message}" does not name ${name}`)
      }
    },
  },
  {
    name: 'opening a url that it does not understand is refused as INVALID',
    needs: ['plugin'],
    async run(c) {
      assert.ok(c.bench.plugin)
      const { plugin, endpoint } = c.bench.plugin
      for (const url of ['', 'nonsense', 'nonsense://127.0.0.1:1/pool']) {
        await refused(
          opened(() => plugin.open({ ...endpoint, url })),
          'INVALID',
        )
      }
    },
  },
  {
    name: 'a wrong secret is refused as DENIED, and the secret is not shown',
    needs: ['plugin'],
    async run(c) {
      assert.ok(c.bench.plugin)
      const { plugin, endpoint } = c.bench.plugin
      const secret = plugin.settings.find((setting) => setting.type === 'secret' && setting.required)
      if (!secret) throw new NotApplicable('the plug-in requires no secret')
      const wrong = 'not-the-secret-4711'
      c.audit.keepSecret(wrong)
      const intruder = c.audit.watch(
        plugin.open({ ...endpoint, settings: { ...endpoint.settings, [secret.name]: wrong } }),
      )
      await refused(intruder.pools.report(c.call()), 'DENIED')
    },
  },
]

async function opened<Plugin>(open: () => Plugin): Promise<Plugin> {
  return open()
}
