import { Refusal } from '../domain/failures.ts'
import { lockTemplate, updateTemplate } from '../store/templates.ts'
import { certain } from './certain.ts'
import { osTypeOf } from './os-types.ts'
import { type By, note } from './submit.ts'

/** What to change of a template's record; absent means as it is. Its image stays. */
export interface TemplateChange {
  readonly template: string
  readonly name?: string
  readonly displayText?: string
  /** The format that it is said to have: clients send it along. */
  readonly format?: string
  readonly osType?: string
  readonly public?: boolean
  readonly featured?: boolean
}

/** Changes how a template is called and who sees it, at once. Throws `Refusal` `INVALID` for an empty name or another format. */
export async function changeTemplate(by: By, change: TemplateChange): Promise<void> {
  const { template: id, name, displayText, format, osType, ...seen } = change
  if (name === '') throw new Refusal('INVALID', 'Invalid parameter name: it must not be empty')
  const changes = {
    ...seen,
    ...(name === undefined ? {} : { name }),
    ...(displayText === undefined ? {} : { displayText }),
    ...(osType === undefined ? {} : { osType: osTypeOf(osType) }),
  }
  await by.system.store.transact(async (tx) => {
    const template = certain(await lockTemplate(tx, id), 'id')
    if (format !== undefined && format !== template.format)
      throw new Refusal('INVALID', `Invalid parameter format: the image of the template is ${template.format}`)
    await updateTemplate(tx, id, changes)
    await note(tx, by, {
      type: 'TEMPLATE.UPDATE',
      description: `Changed template ${template.name}`,
      account: template.accountId,
      resource: { kind: 'Template', id },
    })
  })
}
