import { connect } from 'node:net'
import type { HypervisorAdapter } from '@moorage/contract'
import { adapter, despite, type HypervisorCheat, hypervisorPlugin, wrong } from '../cheat.ts'

/** Adapters that lie about their host, and plug-ins that are opened badly. */
export const hostCheats: readonly HypervisorCheat[] = [
  adapter(
    'logs in under a name that is none',
    'a host reports a stable identity, its size, and the initiator name of its guests’ disks',
    (honest) => ({
      hosts: { report: async (call) => ({ ...(await honest.hosts.report(call)), initiator: 'host' }) },
    }),
  ),
  adapter('makes up an identity for each that asks', 'a host has one identity, whoever asks', (honest) => ({
    hosts: {
      async report(call) {
        const report = await honest.hosts.report(call)
        return { ...report, identity: `${report.identity}/ours` }
      },
    },
  })),
  {
    name: 'accepts nothing',
    caughtBy: ['limits of a host are there exactly with the facets that they are about'],
    spoil: (bench) => ({ ...bench, adapter: { ...bench.adapter, accepts: [] } }),
  },
  hypervisorPlugin(
    'names no hypervisor',
    'a plug-in names itself, its hypervisor, its schemes and its settings',
    () => ({
      hypervisor: '',
    }),
  ),
  hypervisorPlugin(
    'guesses what it was not told',
    'opening a host without a required setting is refused as INVALID, which names the setting',
    (honest) => ({
      open: async (endpoint: Parameters<typeof honest.open>[0]): Promise<HypervisorAdapter> =>
        honest.open({ ...endpoint, settings: { user: 'guessed', password: 'guessed', ...endpoint.settings } }),
    }),
  ),
  hypervisorPlugin(
    'opens any url',
    'opening a host under a url that it does not understand is refused as INVALID',
    (honest) => ({
      async open(endpoint: Parameters<typeof honest.open>[0]): Promise<HypervisorAdapter> {
        const [scheme = ''] = honest.schemes
        const url = endpoint.url.startsWith(`${scheme}:`) ? endpoint.url : `${scheme}://127.0.0.1:1/host`
        return honest.open({ ...endpoint, url })
      },
    }),
  ),
  hypervisorPlugin('greets its host when it is opened', 'opening a host speaks to nobody', (honest) => ({
    async open(endpoint: Parameters<typeof honest.open>[0]): Promise<HypervisorAdapter> {
      const at = /\/\/([^/:]+):(\d+)/.exec(endpoint.url)
      const opened = await honest.open(endpoint)
      const socket = connect(Number(at?.[2]), at?.[1])
      socket.on('error', () => undefined).on('connect', () => socket.destroy())
      return opened
    },
  })),
  reporting(
    'takes a wrong secret for a broken line',
    'a wrong secret of a host is refused as DENIED, and the secret is not shown',
    'DENIED',
  ),
  reporting(
    'is not sure whether a call that never left had an effect',
    'a host that is not there is reported as UNAVAILABLE or TIMEOUT, with effect none',
    'UNAVAILABLE',
  ),
]

/** Answers one code of `report` with an error that leaves everything open. */
function reporting(name: string, caughtBy: string, code: 'DENIED' | 'UNAVAILABLE'): HypervisorCheat {
  return hypervisorPlugin(name, caughtBy, (honest) => ({
    async open(endpoint: Parameters<typeof honest.open>[0]): Promise<HypervisorAdapter> {
      const opened = await honest.open(endpoint)
      return {
        ...opened,
        hosts: {
          report: (call) =>
            despite(
              code,
              () => opened.hosts.report(call),
              () => {
                throw wrong('UNAVAILABLE', 'possible')
              },
            ),
        },
      }
    },
  }))
}
