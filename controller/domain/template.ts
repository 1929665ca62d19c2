import type { Machine } from './machine.ts'

/**
 * States of a template. CloudStack has them per image store, as `status` in words (`statusOf`). One that hosts hold by name is
 * always Ready.
 */
type TemplateState = 'Creating' | 'Ready' | 'Failed'

/** What changes the state of a template. */
type TemplateEvent = 'OperationSucceeded' | 'OperationFailed' | 'DeletionRequested'

/** One that has Failed holds nothing that could be used: all that is left is to delete it. */
export const TEMPLATE_MACHINE: Machine<TemplateState, TemplateEvent> = {
  Creating: { OperationSucceeded: 'Ready', OperationFailed: 'Failed' },
  Ready: { DeletionRequested: 'Failed' },
  Failed: { DeletionRequested: 'Failed' },
}

/** What the progress of a template's operation says while its file is fetched. */
export const FETCHING_NOTE = 'downloaded'

/** How far that operation is, as far as it says. */
export interface Progress {
  readonly done?: number
  readonly total?: number
  readonly note?: string
}

/** The status of a template, in CloudStack's words. `progress`: of the operation that fills it, where there is some. */
export function statusOf(
  template: { readonly state: TemplateState; readonly failure: string | null },
  progress: Progress | undefined,
): string {
  if (template.state === 'Ready') return 'Download Complete'
  if (template.state === 'Failed') return template.failure ?? 'Failed'
  if (progress === undefined) return 'Creating'
  if (progress.note?.startsWith(FETCHING_NOTE) !== true) return 'Installing Template'
  const { done = 0, total = 0 } = progress
  return `${total > 0 ? Math.floor((100 * done) / total) : 0}% Downloaded`
}
