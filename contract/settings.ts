/**
 * One setting of a plug-in's registration (`details` and url user info of the CloudStack API) or of an offering. The
 * console draws its form from these, the API checks against them. A `secret` is sealed at rest and never returned.
 */
export interface SettingSpec {
  readonly name: string
  readonly title: string
  readonly type: 'string' | 'integer' | 'boolean' | 'secret'
  readonly required: boolean
  /** Accepted values; absent means any of the type. */
  readonly oneOf?: readonly string[]
  readonly description: string
}

/**
 * A plug-in as its callers see it. It may run in a process of its own, so that `open` may answer later: still without I/O
 * to the back end.
 */
export type Loaded<Plugin extends { open(endpoint: Endpoint): object }> = Omit<Plugin, 'open'> & {
  open(endpoint: Endpoint): ReturnType<Plugin['open']> | Promise<ReturnType<Plugin['open']>>
}

/** Where and as whom a plug-in reaches its back end; opened without I/O. */
export interface Endpoint {
  readonly url: string
  /** Values by `SettingSpec.name`, secrets in clear: held in memory only. */
  readonly settings: Readonly<Record<string, string>>
  /**
   * Id of this Moorage installation: the ownership mark. What carries another mark, or none, is foreign: it is counted
   * and never touched.
   */
  readonly owner: string
}
