import { randomUUID } from 'node:crypto'
import { MOST_OF_A_KIND, NOBODYS, standInAddress, type StandInKind, standInNumber } from '../domain/stand-in.ts'
import { recorded } from '../sagas/recorded.ts'
import { jsonb } from '../store/json.ts'
import { countStandIns, standInNamed, standInView } from '../store/queries/stand-ins.ts'
import { deleteStandIn, insertStandIn, lockStandInsOf } from '../store/stand-ins.ts'
import type { Tx } from '../store/store.ts'
import { refuse } from './refusals.ts'
import { type By, carriedOut, note, submit } from './submit.ts'
import { unlessTaken } from './taken.ts'

/** The kinds that belong to no account. */
export const NOBODY_OWNS: ReadonlySet<StandInKind> = new Set(NOBODYS)

/** What to record. `what`: the kind in words. `account` absent: it belongs to nobody. */
export interface StandInRequest {
  readonly command: string
  readonly kind: StandInKind
  readonly what: string
  readonly account?: string
  readonly zone?: string
  readonly name: string
  readonly attributes: Readonly<Record<string, unknown>>
}

/** Attributes that name the stand-in of a public address, with the one under which the address itself is told. */
const ADDRESSES: Readonly<Record<string, string>> = { ipaddressid: 'ipaddress', publicipid: 'publicip' }

/** The public address for which a stand-in of kind `publicipaddress` stands. */
export function addressOf(view: { readonly seq: number }): string {
  return standInAddress(view.seq)
}

/** The internal number of the stand-in with that address; -1, which none has, where it is no such address. */
export function numberBehind(address: string): number {
  return standInNumber(address) ?? -1
}

/**
 * Records what was asked for, at once and without any effect; answers its id. Throws `Refusal`: `INVALID` for a name that is
 * taken, `ALLOCATION` beyond `MOST_OF_A_KIND`.
 */
export async function recordStandIn(by: By, request: StandInRequest): Promise<string> {
  return await recording(by, request, async (tx, id) => {
    await note(tx, by, happening(request, { id, done: 'Recorded' }))
    return id
  })
}

/** As `recordStandIn`, for commands that CloudStack answers with a job: it has ended by then. */
export async function submitStandIn(
  by: By,
  request: StandInRequest,
): Promise<{ readonly id: string; readonly operation: string }> {
  return await recording(by, request, async (tx, id) => {
    const order = { command: request.command, head: recorded, input: { kind: request.kind, id } }
    return { id, operation: await submit(tx, by, { ...order, event: happening(request, { id, done: 'Recorded' }) }) }
  })
}

async function recording<Result>(
  by: By,
  request: StandInRequest,
  told: (tx: Tx, id: string) => Promise<Result>,
): Promise<Result> {
  const { kind, what, account = null, zone = null, name } = request
  return await unlessTaken(`Invalid parameter name: ${name} is the name of another ${what}`, () =>
    carriedOut(by, async (tx) => {
      await lockStandInsOf(tx, account)
      if ((await countStandIns(tx, kind, account)) >= MOST_OF_A_KIND)
        throw refuse('ALLOCATION', `There may be ${MOST_OF_A_KIND} of kind ${what} at most`)
      const id = randomUUID()
      const attributes = jsonb({ ...request.attributes, ...(await addressesIn(tx, request.attributes)) })
      await insertStandIn(tx, { id, kind, accountId: account, zoneId: zone, name, attributes })
      return await told(tx, id)
    }),
  )
}

async function addressesIn(
  tx: Tx,
  attributes: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {}
  for (const [of, under] of Object.entries(ADDRESSES)) {
    const id = attributes[of]
    const view = typeof id === 'string' ? await standInView(tx, id) : undefined
    if (view !== undefined) found[under] = addressOf(view)
  }
  return found
}

/** Which record to forget, by a command in whose words. */
export interface StandInRemoval {
  readonly command: string
  readonly kind: StandInKind
  readonly what: string
  readonly id: string
}

/** Forgets a record, at once. Throws `Refusal` `NOT_FOUND` when it has gone. */
export async function removeStandIn(by: By, removal: StandInRemoval): Promise<void> {
  await carriedOut(by, async (tx) => note(tx, by, await forgotten(tx, removal)))
}

/** As `removeStandIn`, for commands that CloudStack answers with a job, and answers it. */
export async function submitStandInRemoval(by: By, removal: StandInRemoval): Promise<string> {
  const { command, kind, id } = removal
  return await carriedOut(by, async (tx) =>
    submit(tx, by, { command, head: recorded, input: { kind, id }, event: await forgotten(tx, removal) }),
  )
}

/** The id of an account's stand-in by its name. Throws `Refusal` `NOT_FOUND`. */
export async function standInByName(
  { system }: By,
  of: { readonly kind: StandInKind; readonly what: string; readonly account: string; readonly name: string },
): Promise<string> {
  const found = await standInNamed(system.store.reader, of)
  if (found !== undefined) return found.id
  throw refuse('NOT_FOUND', `Invalid parameter name: there is no ${of.what} of that name`)
}

async function forgotten(tx: Tx, removal: StandInRemoval) {
  const view = await standInView(tx, removal.id)
  if (view === undefined || !(await deleteStandIn(tx, removal.id)))
    throw refuse('NOT_FOUND', `Invalid parameter id: there is no ${removal.what} of that id any more`)
  const { what } = removal
  const owner = view.accountId === null ? {} : { account: view.accountId }
  return happening({ what, name: view.name, ...owner }, { id: removal.id, done: 'Forgot' })
}

function happening(
  of: Pick<StandInRequest, 'what' | 'name' | 'account'>,
  { id, done }: { readonly id: string; readonly done: 'Recorded' | 'Forgot' },
) {
  const named = of.name === '' ? '' : ` ${of.name}`
  return {
    type: done === 'Recorded' ? 'STANDIN.CREATE' : 'STANDIN.DELETE',
    description: `${done} the wish for a ${of.what}${named}: nothing was made or changed`,
    ...(of.account === undefined ? {} : { account: of.account }),
    resource: { kind: 'StandIn', id },
  }
}
