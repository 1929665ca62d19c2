import { Refusal } from '../domain/failures.ts'
import { type SagaDefinition, saga } from '../jobs/saga.ts'
import { templateNow } from '../store/queries/places.ts'
import type { Tx } from '../store/store.ts'
import { removeTemplate } from '../store/templates.ts'
import { sagaHead } from './head.ts'

/** The template to take away. */
export interface TemplateDeleteInput {
  readonly template: string
}

/** Takes a template away from new VMs; those made of it live on. */
export const templateDelete = sagaHead<TemplateDeleteInput>({
  name: 'template-delete',
  version: 1,
  lane: 'housekeeping',
  needs: async (_tx, { template }) => [`template:${template}`],
  about: ({ template }) => ({ kind: 'template', id: template }),
})

/** One step, in the database only: hosts keep their boot images. */
export function templateDeleteSaga(): SagaDefinition<Tx> {
  return saga<TemplateDeleteInput, Tx>(templateDelete)
    .step('begin', {
      decide: async (tx, { input: { template } }) => {
        if (!(await templateNow(tx, template))) throw new Refusal('NOT_FOUND', 'The template was removed already')
        await removeTemplate(tx, template)
        return {}
      },
    })
    .build()
}
