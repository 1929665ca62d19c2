import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { resourceName } from '../domain/resource.ts'
import { TEMPLATE_MACHINE } from '../domain/template.ts'
import { type SagaDefinition, saga, type Under } from '../jobs/saga.ts'
import { hold, isHeld, release } from '../store/held.ts'
import type { Tx } from '../store/store.ts'
import { lockTemplate, removeTemplate, updateTemplate } from '../store/templates.ts'
import { removeFromArchive } from './archiving.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { ends, type Outcome } from './outcome.ts'

/** The template to take away. */
export interface TemplateDeleteInput {
  readonly template: string
}

/** Takes a template away from new VMs, and out of its archive; those made of it live on. */
export const templateDelete = sagaHead<TemplateDeleteInput>({
  name: 'template-delete',
  version: 2,
  lane: 'housekeeping',
  needs: async (_tx, { template }) => [resourceName('template', template)],
  about: ({ template }) => ({ kind: 'template', id: template }),
})

const OUTCOME: Outcome<TemplateDeleteInput> = {
  type: 'TEMPLATE.DELETE',
  kind: 'Template',
  id: ({ template }) => template,
  doing: 'deleting template',
}

interface Begun {
  readonly template: string
  /** What holds its bytes. Absent: hosts keep their boot images. */
  readonly stored?: { readonly archive: string; readonly zone: string }
}

/**
 * Steps: begin (it leaves every list), archive (its bytes go). When they could not be taken out, they may be gone all the same:
 * it is back in the lists as Failed, to be deleted again.
 */
export function templateDeleteSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<TemplateDeleteInput, Tx>(templateDelete)
    .step('begin', {
      decide: async (tx, { input }, under) => begin(tx, input.template, under),
      unrecord: async (tx, { input }, under) => putBack(tx, input.template, under),
    })
    .step('archive', {
      run: async ({ begin: { template, stored } }, context) => {
        if (stored) await removeFromArchive(deps, { ...stored, snapshot: template }, context)
      },
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input: { template: id } }, { operation }) => {
        await updateTemplate(tx, id, { archiveId: null, dataBytes: 0 })
        await release(tx, 'template', { id, operation })
      }),
    )
}

async function begin(tx: Tx, id: string, { operation }: Under): Promise<Begun> {
  const row = await lockTemplate(tx, id)
  if (!row || row.removedAt) throw new Refusal('NOT_FOUND', 'The template was removed already')
  await hold(tx, 'template', { id, operation })
  await removeTemplate(tx, id)
  const { archiveId: archive, zoneId: zone } = row
  if (archive !== null) {
    // From here on nothing can be made of it.
    const state = next(TEMPLATE_MACHINE, row.state, { event: 'DeletionRequested', of: `Template ${id}` })
    await updateTemplate(tx, id, { state, failure: null })
  }
  return { template: id, ...(archive !== null && zone !== null && { stored: { archive, zone } }) }
}

async function putBack(tx: Tx, id: string, { operation }: Under): Promise<void> {
  if (!(await isHeld(tx, 'template', { id, operation }))) return
  const stored = (await lockTemplate(tx, id))?.archiveId !== null
  const failure = stored ? 'It was being deleted, and that failed: delete it again' : null
  await updateTemplate(tx, id, { removedAt: null, failure })
  await release(tx, 'template', { id, operation })
}
