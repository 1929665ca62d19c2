/** What is known of a parameter. */
export interface ParamFacts {
  readonly type: 'uuid' | 'string' | 'date' | 'integer' | 'long' | 'boolean' | 'list' | 'map'
  readonly about: string
  /** A request without it is refused. */
  readonly needed?: true
  /** Does not belong where others can read it, as on a command line. */
  readonly secret?: true
}

/** What is known of a command besides its types. */
export interface CommandFacts {
  /** `list` answers in pages; `async` a job; `async-create` a job and the id of what it makes; `sync` the rest. */
  readonly kind: 'sync' | 'list' | 'async' | 'async-create'
  readonly about: string
  /** Key of the one object on the outside of its answer. */
  readonly envelope: string
  /** Key of the object, or of the list, within. */
  readonly key: string
  readonly post?: true
  /** Needs no keys. */
  readonly open?: true
  readonly params: Readonly<Record<string, ParamFacts>>
  /** Names of the answer's fields, in their order. */
  readonly fields: readonly string[]
}
