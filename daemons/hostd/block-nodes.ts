import { type AccessMode, type Connection, PluginError } from '@moorage/contract'
import type { DiskNames } from './names.ts'

/** Seconds for which a lost NBD connection is re-established before a request fails; then the machine stops and waits. */
const NBD_RECONNECT_SECONDS = 30
const NBD_PORT = '10809'

/** What to hand to QEMU to open a disk: an object for the secret, then nodes, the lower one first. */
export interface OpenPlan {
  /** Arguments of `object-add`; absent without a password. */
  readonly secret?: Readonly<Record<string, unknown>>
  /** Arguments of `blockdev-add`, in order. */
  readonly nodes: readonly Readonly<Record<string, unknown>>[]
  /** `host:port` that must answer before QEMU is asked to log in; absent for local files and sockets. */
  readonly portal?: string
}

/**
 * How QEMU reaches the source of a connection. The password travels as a secret object over the QMP socket and never in
 * argv. Discards pass through; zeroes are not detected, which would turn a guest's writes into discards. Throws
 * `UNSUPPORTED` for protocols that this host does not accept, `INVALID` for an address that is none; effect `none`.
 */
export function openPlan(names: DiskNames, connection: Connection, mode: AccessMode): OpenPlan {
  const readOnly = mode === 'ro' || (connection.via === 'file' && connection.readOnly === true)
  const common = { 'read-only': readOnly, discard: 'unmap', 'detect-zeroes': 'off' }
  const protocol = { ...common, 'node-name': names.protocol }
  const format = (driver: 'raw' | 'qcow2') => ({ ...common, 'node-name': names.format, driver, file: names.protocol })
  switch (connection.via) {
    case 'iscsi': {
      const { portal, iqn: target, lun, initiator, chap } = connection
      const login = chap ? { user: chap.user, 'password-secret': names.secret } : {}
      const address = { driver: 'iscsi', transport: 'tcp', portal, target, lun, 'initiator-name': initiator }
      const nodes = [{ ...protocol, ...address, ...login }, format('raw')]
      if (!chap) return { nodes, portal }
      return { nodes, portal, secret: { 'qom-type': 'secret', id: names.secret, data: chap.secret } }
    }
    case 'file':
      return { nodes: [{ ...protocol, driver: 'file', filename: connection.path }, format(connection.format)] }
    case 'nbd': {
      const server = nbdServer(connection.uri)
      const source = { driver: 'nbd', server, export: connection.export, 'reconnect-delay': NBD_RECONNECT_SECONDS }
      const nodes = [{ ...protocol, ...source }, format('raw')]
      return server.type === 'inet' ? { nodes, portal: portalOf(server) } : { nodes }
    }
    default:
      throw new PluginError('UNSUPPORTED', `this host does not attach disks over ${connection.via}`, 'none')
  }
}

type NbdServer =
  | { readonly type: 'inet'; readonly host: string; readonly port: string }
  | { readonly type: 'unix'; readonly path: string }

/** Reads `nbd://host:port` or `nbd+unix:///?socket=path`, the forms of the NBD URI specification without TLS. */
function nbdServer(uri: string): NbdServer {
  const url = URL.parse(uri)
  const path = url?.searchParams.get('socket')
  if (url?.protocol === 'nbd+unix:' && path) return { type: 'unix', path }
  if (url?.protocol === 'nbd:' && url.hostname !== '') {
    return { type: 'inet', host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: url.port || NBD_PORT }
  }
  throw new PluginError('INVALID', `'${uri}' is no NBD address: nbd://host:port or nbd+unix:///?socket=path`, 'none')
}

function portalOf({ host, port }: { readonly host: string; readonly port: string }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Reads `host:port` with an IPv6 host in brackets. Throws `INVALID`, effect `none`. */
export function parsePortal(portal: string): { readonly host: string; readonly port: number } {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(portal)
  const host = found?.[1] ?? found?.[2]
  const port = Number(found?.[3])
  if (host === undefined || port === 0 || port > 65_535) {
    throw new PluginError('INVALID', `'${portal}' is no portal: host:port`, 'none')
  }
  return { host, port }
}
