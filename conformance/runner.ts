/** What a test runner gives a test that finds out on its own that it does not apply. Vitest and node:test both do. */
export interface Skipper {
  skip(reason?: string): unknown
}

/** Registers one test, as `test` of Vitest, node:test, Mocha's `it` and others do. */
export type RegisterTest = (name: string, run: (t: Skipper) => Promise<void>) => unknown

/** One promise of the contract, made executable. */
export interface ConformanceCase<Ability extends string, Context> {
  /** The promise, as a sentence. Unique within a kit: cheats and reports name cases by it. */
  readonly name: string
  /** Facets, and abilities of the test bench, without which the case says nothing. */
  readonly needs: readonly Ability[]
  /** Fails by throwing. What it made through the context is taken away for it; what it made otherwise it takes away. */
  run(context: Context): Promise<void>
}

/** Thrown by a case that turns out not to apply to its subject; the reason is for people. */
export class NotApplicable extends Error {
  override readonly name = 'NotApplicable'
}

/** Why a case does not apply to a subject that declares what it lacks; `undefined` when it does. */
export function lacking<Ability extends string>(
  needs: readonly Ability[],
  lacks: Readonly<Partial<Record<Ability, string>>>,
): string | undefined {
  const missing = needs.find((need) => lacks[need] !== undefined)
  return missing === undefined ? undefined : `lacks ${missing}: ${lacks[missing] ?? ''}`
}

/** Registers one test per case. A case that does not apply is skipped with its reason, never left out. */
export function registerCases<Ability extends string, Context>(options: {
  readonly test: RegisterTest
  readonly cases: readonly ConformanceCase<Ability, Context>[]
  readonly lacks: Readonly<Partial<Record<Ability, string>>>
  readonly run: (each: ConformanceCase<Ability, Context>) => Promise<void>
}): void {
  for (const each of options.cases) {
    options.test(each.name, async (t) => {
      const reason = lacking(each.needs, options.lacks) ?? (await reasonOf(() => options.run(each)))
      if (reason !== undefined) t.skip(reason)
    })
  }
}

async function reasonOf(run: () => Promise<void>): Promise<string | undefined> {
  try {
    await run()
    return undefined
  } catch (error) {
    if (error instanceof NotApplicable) return error.message
    throw error
  }
}
