import { entity, flag, text } from './params.ts'

/** Parameters of a list of things that accounts own: hand them to `ownershipOf`. */
export const ownershipParams = {
  account: text({
    description: "list resources of this account; in the domain given by domainid, or the caller's own",
  }),
  domainid: entity('domain', { description: 'list only resources belonging to the domain' }),
  listall: flag({ description: "list everything that the caller may see, instead of its own account's" }),
  isrecursive: flag({ description: 'with domainid: resources of the domains below it, too' }),
  projectid: text({ description: '-1 is accepted and means nothing: there are no projects' }),
} as const

/** Parameters of a command that makes something for an account: hand them to `ownerOf`. */
export const ownerParams = {
  account: text({ description: "the account to make it for; in the domain given by domainid, or the caller's own" }),
  domainid: entity('domain', { description: 'the domain of the account' }),
} as const

/** Substring match on the name. */
export const keyword = text({ description: 'list by keyword: a part of the name' })
