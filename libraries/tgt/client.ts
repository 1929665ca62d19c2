import net from 'node:net'
import { TgtError, TgtLineError } from './errors.ts'
import {
  parseAccounts,
  parseConnections,
  parseCounters,
  parsePortals,
  parseTargetNames,
  parseTargets,
  type TgtConnection,
  type TgtCounters,
  type TgtTarget,
} from './listings.ts'
import { decodeResponse, encodeRequest, joinParameters, type TgtRequest } from './protocol.ts'

/** A logical unit to make. */
export interface TgtLunSpec {
  readonly tid: number
  readonly lun: number
  readonly path: string
  /** `direct` opens the backing store with O_DIRECT. */
  readonly flags?: 'direct' | 'sync' | 'sync:direct'
}

/** Attributes of a logical unit; what is left out stays as it is. */
export interface TgtLunAttributes {
  readonly thin_provisioning?: 0 | 1
  readonly readonly?: 0 | 1
  readonly online?: 0 | 1
  /** At most 36 characters. */
  readonly scsi_id?: string
  /** At most 36 characters. */
  readonly scsi_sn?: string
  /** At most 8 characters. */
  readonly vendor_id?: string
  /** At most 16 characters. */
  readonly product_id?: string
  /** At most 4 characters. */
  readonly product_rev?: string
}

/**
 * The management of one tgtd. Every method throws `TgtError` when tgtd refuses, `TgtLineError` when no answer came, and
 * `RangeError` for a value that the protocol cannot carry. None is idempotent by itself: what exists already is refused.
 */
export interface TgtClient {
  createTarget(target: { readonly tid: number; readonly iqn: string }): Promise<void>
  /** Refused as `TARGET_ACTIVE` while sessions exist unless forced; as `LUN_ACTIVE` while commands run, forced or not. */
  deleteTarget(tid: number, options?: { readonly force?: boolean }): Promise<void>
  /**
   * `offline`: new logins are refused, and new commands of sessions are swallowed without an answer; commands under way
   * still end. Once it is `ready` again, drop the connections: the initiators log in anew and repeat what was swallowed.
   */
  setTargetState(tid: number, state: 'ready' | 'offline'): Promise<void>
  createLun(spec: TgtLunSpec): Promise<void>
  /** Refused as `LUN_ACTIVE` while commands run on it. */
  deleteLun(tid: number, lun: number): Promise<void>
  updateLun(at: { readonly tid: number; readonly lun: number }, attributes: TgtLunAttributes): Promise<void>
  createAccount(account: { readonly user: string; readonly secret: string }): Promise<void>
  /** Also takes it from every target. Do not use it on bound accounts: see `unbindAccount`. */
  deleteAccount(user: string): Promise<void>
  bindAccount(tid: number, user: string): Promise<void>
  /**
   * Unbind the account that was bound last, and only that one: unbinding another leaves a hole in tgtd's array that hides
   * the accounts behind it from logins, and that crashes tgtd at the next `targets`.
   */
  unbindAccount(tid: number, user: string): Promise<void>
  accounts(): Promise<readonly string[]>
  /** Admits an initiator by name. Name rules and address rules are alternatives: never use both on one target. */
  allowInitiator(tid: number, name: string): Promise<void>
  /** Refuses further logins of that name; sessions that exist go on until their connections are closed. */
  denyInitiator(tid: number, name: string): Promise<void>
  /** Starts to close it; it is gone when `connections` no longer lists it, which is after its last command has ended. */
  closeConnection(at: { readonly tid: number; readonly sid: number; readonly cid: number }): Promise<void>
  connections(tid: number): Promise<readonly TgtConnection[]>
  targets(): Promise<readonly TgtTarget[]>
  /** Names of all targets by id: a short listing, where `targets` grows with sessions and units. */
  targetNames(): Promise<ReadonlyMap<number, string>>
  counters(): Promise<readonly TgtCounters[]>
  portals(): Promise<readonly string[]>
}

/** Bytes that an answer may have: a listing of some 100,000 targets. */
const MOST_ANSWER_BYTES = 128 * 1024 * 1024

/** A client of the tgtd that listens on `path`, which is `$TGT_IPC_SOCKET.<control port>`. Makes no connection yet. */
export function tgtClient(options: { readonly path: string; readonly timeoutMs: number }): TgtClient {
  const send = (what: string, request: TgtRequest) => ask(options, what, request)
  const change = async (what: string, request: TgtRequest) => {
    await send(what, request)
  }
  return {
    ...targetMethods(change),
    ...lunMethods(change),
    ...accountMethods(change),
    targets: async () => parseTargets(await send('list targets', { mode: 'target', op: 'show' })),
    targetNames: async () => parseTargetNames(await send('list target names', { mode: 'lld', op: 'show' })),
    counters: async () => parseCounters(await send('read counters', { mode: 'system', op: 'stats' })),
    portals: async () => parsePortals(await send('list portals', { mode: 'portal', op: 'show' })),
    accounts: async () => parseAccounts(await send('list accounts', { mode: 'account', op: 'show' })),
    connections: async (tid) =>
      parseConnections(await send(`list connections of target ${tid}`, { mode: 'connection', op: 'show', tid })),
  }
}

type Change = (what: string, request: TgtRequest) => Promise<void>

function targetMethods(change: Change) {
  return {
    createTarget: ({ tid, iqn }) =>
      change(`create target ${iqn}`, { mode: 'target', op: 'new', tid, text: joinParameters({ targetname: iqn }) }),
    deleteTarget: (tid, { force = false } = {}) =>
      change(`delete target ${tid}`, { mode: 'target', op: 'delete', tid, force }),
    setTargetState: (tid, state) =>
      change(`set target ${tid} ${state}`, { mode: 'target', op: 'update', tid, text: joinParameters({ state }) }),
    allowInitiator: (tid, name) => {
      const text = joinParameters({ 'initiator-name': name })
      return change(`allow ${name} on target ${tid}`, { mode: 'target', op: 'bind', tid, text })
    },
    denyInitiator: (tid, name) => {
      const text = joinParameters({ 'initiator-name': name })
      return change(`deny ${name} on target ${tid}`, { mode: 'target', op: 'unbind', tid, text })
    },
    closeConnection: ({ tid, sid, cid }) =>
      change(`close session ${sid} of target ${tid}`, { mode: 'connection', op: 'delete', tid, sid, cid }),
  } satisfies Partial<TgtClient>
}

function lunMethods(change: Change) {
  return {
    createLun: ({ tid, lun, path, flags }) => {
      const text = joinParameters({ path, ...(flags === undefined ? {} : { bsoflags: flags }) })
      return change(`create LUN ${lun} of target ${tid}`, { mode: 'device', op: 'new', tid, lun, text })
    },
    deleteLun: (tid, lun) => change(`delete LUN ${lun} of target ${tid}`, { mode: 'device', op: 'delete', tid, lun }),
    updateLun: ({ tid, lun }, attributes) => {
      const text = joinParameters({ ...attributes })
      return change(`update LUN ${lun} of target ${tid}`, { mode: 'device', op: 'update', tid, lun, text })
    },
  } satisfies Partial<TgtClient>
}

function accountMethods(change: Change) {
  return {
    createAccount: ({ user, secret }) =>
      change(`create account ${user}`, {
        mode: 'account',
        op: 'new',
        text: joinParameters({ user, password: secret }),
      }),
    deleteAccount: (user) =>
      change(`delete account ${user}`, { mode: 'account', op: 'delete', text: joinParameters({ user }) }),
    bindAccount: (tid, user) => {
      const text = joinParameters({ user })
      return change(`bind account ${user} to target ${tid}`, { mode: 'account', op: 'bind', tid, text })
    },
    unbindAccount: (tid, user) => {
      const text = joinParameters({ user })
      return change(`unbind account ${user} from target ${tid}`, { mode: 'account', op: 'unbind', tid, text })
    },
  } satisfies Partial<TgtClient>
}

/** One request on a connection of its own, as tgtd wants it. */
function ask(
  options: { readonly path: string; readonly timeoutMs: number },
  what: string,
  request: TgtRequest,
): Promise<string> {
  const bytes = encodeRequest(request)
  return new Promise((resolve, reject) => {
    const socket = net.connect(options.path)
    const chunks: Buffer[] = []
    let received = 0
    let connected = false
    const finish = (act: () => void) => {
      clearTimeout(timer)
      socket.destroy()
      act()
    }
    const fail = (error: TgtLineError) => finish(() => reject(error))
    const timer = setTimeout(
      () => fail(new TgtLineError('timeout', `${what}: no answer within ${options.timeoutMs} ms`)),
      options.timeoutMs,
    )
    socket.on('connect', () => {
      connected = true
      socket.write(bytes)
    })
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      received += chunk.length
      if (received > MOST_ANSWER_BYTES) fail(new TgtLineError('garbled', `${what}: endless answer`))
    })
    socket.on('error', (error) =>
      fail(new TgtLineError(connected ? 'lost' : 'unreachable', `${what}: ${error.message}`, error)),
    )
    socket.on('close', () => {
      const response = decodeResponse(Buffer.concat(chunks))
      if (response === undefined) fail(new TgtLineError('lost', `${what}: tgtd closed the line`))
      else if (response.rc === 0) finish(() => resolve(response.text))
      else finish(() => reject(new TgtError(what, response.rc)))
    })
  })
}
