import type { Ownership } from '../store/queries/page.ts'
import { domainPath, findAccount } from '../store/queries/accounts.ts'
import type { Caller, System } from './context.ts'
import { refuse } from './refusals.ts'

/** Everything that the caller may see: a user its account's, a domain's administrator that of the domain and below. */
export function sightOf(caller: Caller): Ownership {
  if (caller.role === 'user') return { of: 'account', id: caller.accountId }
  if (caller.role === 'domain-admin') return { of: 'domain', path: caller.domainPath, recursive: true }
  return { of: 'everyone' }
}

/** Which of the rows that it may see a list command asks for. Ids are of rows that the caller may see. */
export interface AskedOwnership {
  /** Name of an account in the domain `domainid`, or in the caller's own. */
  readonly account?: string
  readonly domainid?: string
  readonly listall?: boolean
  readonly isrecursive?: boolean
  /** CloudStack's projects do not exist here: anything but `-1` (all) is refused. */
  readonly projectid?: string
}

/**
 * Whose rows a list shows, as CloudStack reads these parameters: the caller's own account's, unless asked for more; with
 * `byId` (an id is given, too) whatever the caller may see. Throws `Refusal`: `INVALID` for an account that is not there,
 * `DENIED` for rows that the caller may not see.
 */
export async function ownershipOf(
  { system, caller }: { readonly system: System; readonly caller: Caller },
  asked: AskedOwnership,
  options: { readonly byId?: boolean } = {},
): Promise<Ownership> {
  if (asked.projectid !== undefined && asked.projectid !== '-1')
    throw refuse('INVALID', 'Invalid parameter projectid: there are no projects here')
  const sight = sightOf(caller)
  if (asked.account !== undefined) {
    const account = await accountNamed({ system, caller }, { account: asked.account, domain: asked.domainid })
    return { of: 'account', id: account }
  }
  if (sight.of === 'account') return sight
  if (asked.domainid !== undefined) {
    const path = await domainPath(system.store.reader, asked.domainid)
    if (sight.of === 'domain' && !path.startsWith(sight.path)) throw notYours('domainid')
    return { of: 'domain', path, recursive: asked.isrecursive ?? asked.listall ?? false }
  }
  if (asked.listall === true || options.byId === true) return sight
  return { of: 'account', id: caller.accountId }
}

/**
 * The account for which a command makes something: the caller's own, or the one that `account` names in `domainid` (by
 * id) or in the caller's domain. Throws `Refusal`: `INVALID` when there is none, `DENIED` when the caller may not act for it.
 */
export async function ownerOf(
  by: { readonly system: System; readonly caller: Caller },
  asked: { readonly account?: string; readonly domainid?: string },
): Promise<string> {
  if (asked.account === undefined) return by.caller.accountId
  return await accountNamed(by, { account: asked.account, domain: asked.domainid })
}

/** The account of that name that the caller may act for. Throws as `ownerOf`. */
export async function accountNamed(
  { system, caller }: { readonly system: System; readonly caller: Caller },
  named: { readonly account: string; readonly domain: string | undefined },
): Promise<string> {
  const domain = named.domain ?? caller.domainId
  const found = await findAccount(system.store.reader, { name: named.account, domain })
  const sight = sightOf(caller)
  const visible =
    found !== undefined &&
    (sight.of === 'everyone' ||
      (sight.of === 'account' ? found.id === sight.id : found.domainPath.startsWith(sight.path)))
  if (found !== undefined && visible) return found.id
  if (sight.of === 'account') throw notYours('account')
  throw refuse('INVALID', `Unable to find account ${named.account} in the specified domain`)
}

function notYours(parameter: string) {
  return refuse('DENIED', `Caller does not have permission to operate with what parameter ${parameter} names`)
}
