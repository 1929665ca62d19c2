import {
  PluginError,
  QOS_AXES,
  type StorageCapability,
  type StorageLimits,
  type StoragePlugin,
} from '@moorage/contract'
import { remoteStorage, wireClient } from '@moorage/wire'

const MEBIBYTE = 1024 * 1024
const TEBIBYTE = MEBIBYTE * MEBIBYTE

/** Limits of every pool of a Linux SAN: the same as its daemon's, which a test compares. */
export const LINUX_SAN_LIMITS = {
  minVolumeBytes: MEBIBYTE,
  maxVolumeBytes: 16 * TEBIBYTE,
  granularityBytes: MEBIBYTE,
  cloneDependsOnParent: false,
  qos: {
    axes: QOS_AXES,
    parts: ['min', 'max', 'burst', 'burstSeconds'],
    iops: { min: 10, max: 1_000_000 },
    ioBytes: 'free',
  },
} as const satisfies StorageLimits

const FACETS = [
  'snapshots',
  'clones',
  'resize',
  'qos',
  'revert',
  'changeList',
  'stats',
] as const satisfies readonly StorageCapability[]

/**
 * Pools of a Linux SAN, `daemons/san`: every volume is an iSCSI target of its own with CHAP, throttled on the array. The
 * url is `linux-san://HOST:PORT/POOL`.
 */
export const linuxSan: StoragePlugin = {
  kind: 'storage',
  name: 'linux-san',
  title: 'Linux SAN (iSCSI, XFS reflinks)',
  contract: 1,
  shape: 'dedicated',
  managed: 'always',
  schemes: ['linux-san'],
  protocols: ['iscsi'],
  settings: [
    {
      name: 'user',
      title: 'User',
      type: 'string',
      required: true,
      description: 'User of the SAN daemon: "user" in its credentials file.',
    },
    {
      name: 'password',
      title: 'Password',
      type: 'secret',
      required: true,
      description: 'Password of the SAN daemon: "password" in its credentials file.',
    },
  ],
  offeringSettings: [],
  open: ({ url, settings, owner }) => {
    const { address, pool } = parseUrl(url)
    const [user, password] = [needed(settings, 'user'), needed(settings, 'password')]
    const remote = wireClient({ url: `http://${address}`, user, password })
    return remoteStorage({ remote, limits: LINUX_SAN_LIMITS, can: FACETS, context: { pool, owner } })
  },
}

function parseUrl(url: string): { readonly address: string; readonly pool: string } {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const pool = decodeURIComponent(parsed?.pathname.slice(1) ?? '')
  if (parsed?.protocol !== 'linux-san:' || parsed.port === '' || parsed.hostname === '') {
    throw invalid('url: must be linux-san://HOST:PORT/POOL')
  }
  if (parsed.username !== '' || parsed.password !== '') throw invalid('url: give user and password as settings')
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(pool)) throw invalid('url: must end in /POOL, the name of the pool')
  return { address: `${parsed.hostname}:${parsed.port}`, pool }
}

function needed(settings: Readonly<Record<string, string>>, name: string): string {
  const value = settings[name]
  if (value === undefined || value === '') throw invalid(`${name}: is missing`)
  return value
}

function invalid(message: string): PluginError {
  return new PluginError('INVALID', message, 'none')
}
