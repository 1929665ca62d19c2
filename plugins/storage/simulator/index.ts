import {
  type Endpoint,
  PluginError,
  type StorageLimits,
  type StoragePlugin,
  type StorageProvider,
} from '@moorage/contract'
import { remoteStorage, wireClient } from '@moorage/wire'

/** What every simulated array keeps unless it was defined with tighter limits. */
const LIMITS: StorageLimits = {
  minVolumeBytes: 1024 * 1024,
  maxVolumeBytes: 8 * 1024 ** 4,
  granularityBytes: 1024 * 1024,
  maxSnapshotsPerVolume: 32,
  cloneDependsOnParent: false,
  qos: {
    axes: ['totalIops', 'readIops', 'writeIops', 'totalBytes', 'readBytes', 'writeBytes'],
    parts: ['min', 'max', 'burst', 'burstSeconds'],
    iops: { min: 50, max: 200_000 },
    ioBytes: 'free',
  },
}

/**
 * Provider of arrays inside a simulator daemon: `simulator://HOST:PORT/ARRAY`. An array that nobody has defined comes into
 * being when it is first called, with `totalbytes` and `iops` where they are given.
 */
export const simulatorStorage: StoragePlugin = {
  kind: 'storage',
  name: 'simulator',
  title: 'Simulated array',
  contract: 1,
  shape: 'dedicated',
  managed: 'optional',
  schemes: ['simulator'],
  protocols: ['iscsi'],
  settings: [
    { name: 'user', title: 'User', type: 'string', required: true, description: 'User of the simulator daemon.' },
    { name: 'password', title: 'Password', type: 'secret', required: true, description: 'Its password.' },
    {
      name: 'totalbytes',
      title: 'Capacity in bytes',
      type: 'integer',
      required: false,
      description: 'Capacity of the array when this registration brings it into being.',
    },
    {
      name: 'iops',
      title: 'IOPS',
      type: 'integer',
      required: false,
      description: 'Operations per second of the array when this registration brings it into being.',
    },
  ],
  offeringSettings: [],
  open: openArray,
}

function openArray(endpoint: Endpoint): StorageProvider {
  const { url, settings, owner } = endpoint
  const at = /^simulator:\/\/([^/?#@]+:\d{1,5})\/([a-z0-9][a-z0-9.-]{0,62})$/.exec(url)
  if (!at) throw new PluginError('INVALID', 'url: must read simulator://HOST:PORT/ARRAY', 'none')
  const [, authority = '', array = ''] = at
  const remote = wireClient({
    url: `http://${authority}`,
    user: needed(settings, 'user'),
    password: needed(settings, 'password'),
  })
  return remoteStorage({
    remote: (method, args, call) => remote(`array/${method}`, args, call),
    limits: LIMITS,
    can: ['snapshots', 'groupSnapshots', 'clones', 'resize', 'qos', 'revert', 'changeList', 'stats'],
    context: { array, owner, ...natural(settings, 'totalbytes'), ...natural(settings, 'iops') },
  })
}

function needed(settings: Endpoint['settings'], name: string): string {
  const value = settings[name]
  if (value === undefined || value === '') throw new PluginError('INVALID', `${name}: is required`, 'none')
  return value
}

function natural(settings: Endpoint['settings'], name: string): Readonly<Record<string, string>> {
  const value = settings[name]
  if (value === undefined) return {}
  if (!/^[1-9]\d{0,15}$/.test(value) || !Number.isSafeInteger(Number(value))) {
    throw new PluginError('INVALID', `${name}: must be a whole number above 0`, 'none')
  }
  return { [name]: value }
}
