import {
  type Endpoint,
  type HypervisorAdapter,
  type HypervisorLimits,
  type HypervisorPlugin,
  PluginError,
  QOS_AXES,
} from '@moorage/contract'
import { remoteHypervisor, wireClient } from '@moorage/wire'

/** What the host daemon keeps to; it refuses beyond that on its own. */
const LIMITS: HypervisorLimits = {
  maxDisksPerVm: 24,
  qos: {
    axes: QOS_AXES,
    parts: ['max', 'burst', 'burstSeconds'],
    iops: { min: 1, max: 1_000_000 },
    ioBytes: 'free',
  },
}

/** Plain QEMU hosts, each driven by its host daemon (`daemons/hostd`), for example `qemu://127.0.0.1:9100`. */
export const qemuHypervisor: HypervisorPlugin = {
  kind: 'hypervisor',
  name: 'qemu',
  title: 'QEMU host with Moorage host daemon',
  contract: 1,
  hypervisor: 'KVM',
  schemes: ['qemu'],
  settings: [
    {
      name: 'user',
      title: 'User',
      type: 'string',
      required: true,
      description: 'User in the credentials file of the host daemon',
    },
    {
      name: 'password',
      title: 'Password',
      type: 'secret',
      required: true,
      description: 'Password in the credentials file of the host daemon',
    },
  ],
  open,
}

function open(endpoint: Endpoint): HypervisorAdapter {
  const { settings, owner } = endpoint
  const remote = wireClient({
    url: daemonUrl(endpoint.url),
    user: setting(settings, 'user'),
    password: setting(settings, 'password'),
  })
  return remoteHypervisor({
    remote,
    accepts: ['iscsi', 'file', 'nbd'],
    limits: LIMITS,
    can: ['resize', 'throttle', 'stats', 'quiesce', 'migration', 'reach', 'mirror'],
    context: { owner },
  })
}

function daemonUrl(text: string): string {
  const url = URL.parse(text)
  if (url?.protocol === 'qemu:' && url.hostname !== '' && url.port !== '') return `http://${url.host}`
  throw new PluginError('INVALID', `url '${text}' is no address of a QEMU host: qemu://host:port`, 'none')
}

function setting(settings: Endpoint['settings'], name: string): string {
  const value = settings[name]
  if (value !== undefined && value !== '') return value
  throw new PluginError('INVALID', `setting '${name}' is missing`, 'none')
}
