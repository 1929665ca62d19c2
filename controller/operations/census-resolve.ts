import { Refusal } from '../domain/failures.ts'
import type { FindingAction } from '../domain/census-classes.ts'
import { checkResolvable } from '../sagas/census-begin.ts'
import { censusResolve } from '../sagas/census-resolve.ts'
import { recorded } from '../sagas/recorded.ts'
import { lockFinding, updateFinding } from '../store/findings.ts'
import type { CensusFindingRow } from '../store/generated/schema.ts'
import type { Tx } from '../store/store.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** What to do about a finding. `account` and `name` are of what is adopted; `reason` and `until` of what is ignored. */
export interface Resolution {
  readonly finding: string
  readonly action: FindingAction
  readonly account?: string
  readonly name?: string
  readonly confirm?: boolean
  readonly reason?: string
  readonly until?: Date
}

/**
 * Submits what resolves a finding. Refuses an action that its class does not allow, one that must be confirmed and is not,
 * and parameters that go with another action. Whether the finding still holds is found out under its locks.
 */
export async function resolveFinding(by: By, asked: Resolution): Promise<Submitted> {
  checkParameters(asked)
  return await carriedOut(by, async (tx) => {
    const { finding: id, action, confirm } = asked
    const row = await lockFinding(tx, id)
    if (!row) throw new Refusal('NOT_FOUND', `There is no finding ${id}`)
    checkResolvable(row, { action, ...(confirm === undefined ? {} : { confirm }) })
    const operation = await submitResolution(tx, by, { asked, row })
    return { operation, id }
  })
}

function checkParameters({ action, account, name, reason, until }: Resolution): void {
  if (action === 'adopt' && account === undefined)
    throw new Refusal('INVALID', 'Parameter account is needed for action adopt, with domainid')
  if (action !== 'adopt' && name !== undefined)
    throw new Refusal('INVALID', 'Parameter name goes with action adopt only')
  if (action === 'ignore' && reason === undefined)
    throw new Refusal('INVALID', 'Parameter reason is needed for action ignore')
  if (action !== 'ignore' && (reason !== undefined || until !== undefined))
    throw new Refusal('INVALID', 'Parameters reason and until go with action ignore only')
  if (until !== undefined && until.getTime() <= Date.now())
    throw new Refusal('INVALID', 'Invalid parameter until: it is not in the future')
}

async function submitResolution(
  tx: Tx,
  by: By,
  { asked, row }: { readonly asked: Resolution; readonly row: CensusFindingRow },
): Promise<string> {
  const { finding, action, account, name, confirm } = asked
  const common = {
    command: 'resolveCensusFinding',
    event: {
      type: `CENSUS.${action.toUpperCase()}`,
      description: `Resolving finding ${finding}: ${action} ${row.object}`,
      resource: { kind: 'CensusFinding', id: finding },
    },
  }
  if (action === 'ignore') {
    const { reason = null, until = null } = asked
    const changes = { state: 'ignored', resolution: 'ignored', reason, ignoredUntil: until, recycledAt: null } as const
    await updateFinding(tx, finding, changes)
    return submit(tx, by, { ...common, head: recorded, input: { kind: 'censusfinding', id: finding } })
  }
  const input = {
    finding,
    action,
    ...(account === undefined ? {} : { account }),
    ...(name === undefined ? {} : { name }),
    ...(confirm === undefined ? {} : { confirm }),
  }
  return submit(tx, by, { ...common, head: censusResolve, input })
}
