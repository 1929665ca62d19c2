import { refuse } from './refusals.ts'

/** OS types of templates: few, since nothing here depends on them. Ids are fixed, as clients keep them. */
export const OS_TYPES = [
  { id: '6f5b6d5e-3a2f-5d0c-9c7a-0d4f0a1f7a01', description: 'Other (64-bit)', category: 'Other' },
  { id: '6f5b6d5e-3a2f-5d0c-9c7a-0d4f0a1f7a02', description: 'Other Linux (64-bit)', category: 'Linux' },
  { id: '6f5b6d5e-3a2f-5d0c-9c7a-0d4f0a1f7a03', description: 'Other Windows (64-bit)', category: 'Windows' },
] as const

/** The description of the OS type with that id, as templates keep it; without one, of the first. Throws `Refusal` `INVALID`. */
export function osTypeOf(id: string | undefined): string {
  if (id === undefined) return OS_TYPES[0].description
  const found = OS_TYPES.find((type) => type.id === id.toLowerCase())
  if (found !== undefined) return found.description
  throw refuse('INVALID', 'Invalid parameter ostypeid: it must be an id that listOsTypes lists')
}

/** The id of the OS type with that description; `undefined` for what was never listed. */
export function osTypeId(description: string): string | undefined {
  return OS_TYPES.find((type) => type.description === description)?.id
}
