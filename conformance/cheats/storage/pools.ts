import { connect } from 'node:net'
import type { StorageProvider } from '@moorage/contract'
import { despite, provider, type StorageCheat, storagePlugin, wrong } from '../cheat.ts'

/** Providers that lie about the pool and its limits, and plug-ins that are opened badly. */
export const poolCheats: readonly StorageCheat[] = [
  provider('uses more than there is', 'a pool reports a stable identity and sizes that make sense', (honest) => ({
    pools: {
      async report(call) {
        const report = await honest.pools.report(call)
        return { ...report, usedBytes: report.usedBytes + report.totalBytes + 1 }
      },
    },
  })),
  provider('makes up an identity for each that asks', 'a pool has one identity, whoever asks', (honest) => ({
    pools: {
      async report(call) {
        const report = await honest.pools.report(call)
        return { ...report, identity: `${report.identity}/ours` }
      },
    },
  })),
  provider(
    'sends hosts to a portal that none of its connections has',
    'what a pool says of the way to it is what its connections say',
    (honest) => ({
      pools: {
        async report(call) {
          return { ...(await honest.pools.report(call)), reach: { via: 'iscsi', portals: ['192.0.2.1:3260'] } }
        },
      },
    }),
  ),
  provider('names a limit that is no number of bytes', 'limits are numbers that fit together', () => ({
    limits: { minVolumeBytes: 0.5 },
  })),
  storagePlugin('has no title', 'a plug-in names itself, its schemes, its protocols and its settings', () => ({
    title: '',
  })),
  storagePlugin(
    'guesses what it was not told',
    'opening without a required setting is refused as INVALID, which names the setting',
    (honest) => {
      let known: Readonly<Record<string, string>> = {}
      return {
        get settings() {
          return honest.settings
        },
        async open(endpoint: Parameters<typeof honest.open>[0]): Promise<StorageProvider> {
          known = { user: 'guessed', password: 'guessed', ...known, ...endpoint.settings }
          return honest.open({ ...endpoint, settings: known })
        },
      }
    },
  ),
  storagePlugin('opens any url', 'opening a url that it does not understand is refused as INVALID', (honest) => ({
    async open(endpoint: Parameters<typeof honest.open>[0]): Promise<StorageProvider> {
      const [scheme = ''] = honest.schemes
      const url = endpoint.url.startsWith(`${scheme}:`) ? endpoint.url : `${scheme}://127.0.0.1:1/pool`
      return honest.open({ ...endpoint, url })
    },
  })),
  storagePlugin('greets its array when it is opened', 'opening speaks to nobody', (honest) => ({
    async open(endpoint: Parameters<typeof honest.open>[0]): Promise<StorageProvider> {
      const at = /\/\/([^/:]+):(\d+)/.exec(endpoint.url)
      const opened = await honest.open(endpoint)
      const socket = connect(Number(at?.[2]), at?.[1])
      socket.on('error', () => undefined).on('connect', () => socket.destroy())
      return opened
    },
  })),
  storagePlugin(
    'takes a wrong secret for a broken line',
    'a wrong secret is refused as DENIED, and the secret is not shown',
    (honest) => ({
      open: async (endpoint: Parameters<typeof honest.open>[0]): Promise<StorageProvider> => {
        const opened = await honest.open(endpoint)
        return {
          ...opened,
          pools: {
            report: (call) =>
              despite(
                'DENIED',
                () => opened.pools.report(call),
                () => {
                  throw wrong('UNAVAILABLE')
                },
              ),
          },
        }
      },
    }),
  ),
  storagePlugin(
    'shows the secret that was wrong',
    'a wrong secret is refused as DENIED, and the secret is not shown',
    (honest) => ({
      open: async (endpoint: Parameters<typeof honest.open>[0]): Promise<StorageProvider> => {
        const opened = await honest.open(endpoint)
        return {
          ...opened,
          pools: {
            report: (call) =>
              despite(
                'DENIED',
                () => opened.pools.report(call),
                (error) => {
                  const settings = Object.values(endpoint.settings).join(':')
                  throw Object.assign(error, {
                    headers: { authorization: `Basic ${Buffer.from(settings).toString('base64')}` },
                    settings,
                  })
                },
              ),
          },
        }
      },
    }),
  ),
  storagePlugin(
    'is not sure whether a call that never left had an effect',
    'an array that is not there is reported as UNAVAILABLE or TIMEOUT, with effect none',
    (honest) => ({
      open: async (endpoint: Parameters<typeof honest.open>[0]): Promise<StorageProvider> => {
        const opened = await honest.open(endpoint)
        return {
          ...opened,
          pools: {
            report: (call) =>
              despite(
                'UNAVAILABLE',
                () => opened.pools.report(call),
                () => {
                  throw wrong('UNAVAILABLE', 'possible')
                },
              ),
          },
        }
      },
    }),
  ),
  storagePlugin(
    'shows its password to whoever lists pools',
    'a plug-in names itself, its schemes, its protocols and its settings',
    (honest) => ({
      settings: honest.settings.map((each) => (each.type === 'secret' ? { ...each, type: 'string' } : each)),
    }),
  ),
]
