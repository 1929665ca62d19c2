import {
  type Endpoint,
  type HypervisorAdapter,
  type HypervisorLimits,
  type HypervisorPlugin,
  PluginError,
} from '@moorage/contract'
import { remoteHypervisor, wireClient } from '@moorage/wire'

/** What every simulated host keeps. */
const LIMITS: HypervisorLimits = {
  maxDisksPerVm: 24,
  qos: {
    axes: ['totalIops', 'readIops', 'writeIops', 'totalBytes', 'readBytes', 'writeBytes'],
    parts: ['max', 'burst', 'burstSeconds'],
    iops: { min: 10, max: 1_000_000 },
    ioBytes: 'free',
  },
}

/**
 * Adapter of hosts inside a simulator daemon: `simulator://HOST:PORT/HOSTNAME`. A host that nobody has defined comes into
 * being when it is first called.
 */
export const simulatorHypervisor: HypervisorPlugin = {
  kind: 'hypervisor',
  name: 'simulator',
  title: 'Simulated host',
  contract: 1,
  hypervisor: 'Simulator',
  schemes: ['simulator'],
  settings: [
    { name: 'user', title: 'User', type: 'string', required: true, description: 'User of the simulator daemon.' },
    { name: 'password', title: 'Password', type: 'secret', required: true, description: 'Its password.' },
  ],
  open: openHost,
}

function openHost(endpoint: Endpoint): HypervisorAdapter {
  const { url, settings, owner } = endpoint
  const at = /^simulator:\/\/([^/?#@]+:\d{1,5})\/([a-z0-9][a-z0-9.-]{0,62})$/.exec(url)
  if (!at) throw new PluginError('INVALID', 'url: must read simulator://HOST:PORT/HOSTNAME', 'none')
  const [, authority = '', host = ''] = at
  const remote = wireClient({
    url: `http://${authority}`,
    user: needed(settings, 'user'),
    password: needed(settings, 'password'),
  })
  return remoteHypervisor({
    remote: (method, args, call) => remote(`host/${method}`, args, call),
    accepts: ['iscsi'],
    limits: LIMITS,
    can: ['resize', 'throttle', 'stats', 'quiesce', 'migration', 'reach', 'mirror'],
    context: { host, owner },
  })
}

function needed(settings: Endpoint['settings'], name: string): string {
  const value = settings[name]
  if (value === undefined || value === '') throw new PluginError('INVALID', `${name}: is required`, 'none')
  return value
}
