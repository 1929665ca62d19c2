import { randomUUID } from 'node:crypto'
import { Refusal } from '../domain/failures.ts'
import { loseHost } from '../sagas/host-losing.ts'
import type { HostRow } from '../store/generated/schema.ts'
import { hostById } from '../store/hosts.ts'
import { hostRegistration } from '../store/registrations.ts'
import { certain } from './certain.ts'
import type { System } from './context.ts'
import { type By, carriedOut, note } from './submit.ts'

/** How long a host may take to say that it is not lost. */
const PROOF_OF_LIFE_MS = 3_000

/**
 * Gives a host up that does not answer: its access is withdrawn at the arrays, then its VMs are Stopped, and those that ask
 * for it start elsewhere. `dead`: the caller vouches that it runs nothing any more; then volumes on storage that cannot end
 * sessions are free, too. Refuses a host that answers. Callers are operators.
 */
export async function declareHostLost(
  by: By,
  request: { readonly host: string; readonly dead: boolean },
): Promise<void> {
  const row = certain(await hostById(by.system.store.reader, request.host), 'id')
  if (await answers(by.system, row))
    throw new Refusal(
      'INVALID',
      `Host ${row.name} answers: it is not lost. Stop or migrate its virtual machines instead`,
    )
  await carriedOut(by, async (tx) => {
    const { dead } = request
    const because = dead ? 'an operator declared it dead' : 'an operator declared it lost'
    if (!(await loseHost(tx, by.system.jobs, { host: row.id, dead, because })))
      throw new Refusal('NOT_FOUND', 'Unable to find the host that parameter id names')
    const description = dead ? `Declared host ${row.name} dead` : `Declared host ${row.name} lost`
    await note(tx, by, { type: 'HOST.DECLARE.LOST', description, resource: { kind: 'Host', id: row.id } })
  })
}

async function answers({ store, plugins }: System, row: HostRow): Promise<boolean> {
  try {
    const { adapter } = await plugins.openHost({ ...hostRegistration(store, row), lost: false })
    const signal = AbortSignal.timeout(PROOF_OF_LIFE_MS)
    const call = { key: `alive/${randomUUID()}`, deadline: Date.now() + PROOF_OF_LIFE_MS, signal, fence: 0 }
    return (await adapter(() => {}).hosts.report(call)).identity === row.identity
  } catch {
    return false
  }
}
