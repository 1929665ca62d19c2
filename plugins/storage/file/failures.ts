import type { PluginError, Source } from '@moorage/contract'
import { refuse } from '@moorage/files'

/** `NOT_FOUND` of a volume or a snapshot. */
export function missing({ kind, id }: Source): PluginError {
  return refuse('NOT_FOUND', `there is no ${kind} ${id}`)
}
