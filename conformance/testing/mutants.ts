import assert from 'node:assert/strict'
import type { TestSimulator } from '@moorage/simulator/testing'
import {
  archiveCases,
  archiveCheats,
  hypervisorCases,
  hypervisorCheats,
  NotApplicable,
  runArchiveCase,
  runHypervisorCase,
  runStorageCase,
  storageCases,
  storageCheats,
} from '../index.ts'
import { directoryArchiveSubject } from './directory.ts'
import { simulatorHypervisorSubject, simulatorStorageSubject } from './simulator.ts'

/** The kits. */
export const KITS = ['storage', 'hypervisor', 'archive'] as const
/** A name in `KITS`. */
export type KitName = (typeof KITS)[number]

/**
 * What a case made of a cheat. `caught`: it says which promise was broken. `stumbled`: it failed otherwise, as a cheat in
 * its way would make it. `passed` and `skipped` are as they read.
 */
export type Verdict = 'caught' | 'stumbled' | 'passed' | 'skipped'

/** One kit, with its cheats on something honest. */
export interface Kit {
  readonly cases: readonly string[]
  readonly cheats: readonly { readonly name: string; readonly caughtBy: readonly string[] }[]
  /** Runs a case against a cheat. */
  verdict(cheat: string, name: string): Promise<Verdict>
  /**
   * Members of the bench that an honest run of the case uses, as `facet.method`, or `method` of a plug-in without facets; a
   * cheat of others cannot matter to it.
   */
  uses(name: string): Promise<ReadonlySet<string>>
  /** Members that the cheat changes; `*` where it changes what every case looks at. */
  changes(cheat: string): Promise<ReadonlySet<string>>
}

/** The kit of a name, against a simulator; that of archives against a directory. */
export function kitOf(name: KitName, simulator: () => TestSimulator): Kit {
  if (name === 'storage') {
    const subject = simulatorStorageSubject(simulator)
    return kit({ cases: storageCases, cheats: storageCheats, subject, plugin: 'provider', run: runStorageCase })
  }
  if (name === 'archive') {
    const subject = directoryArchiveSubject()
    return kit({ cases: archiveCases, cheats: archiveCheats, subject, plugin: 'store', run: runArchiveCase })
  }
  const subject = simulatorHypervisorSubject(simulator)
  return kit({ cases: hypervisorCases, cheats: hypervisorCheats, subject, plugin: 'adapter', run: runHypervisorCase })
}

interface Named {
  readonly name: string
}

/** A case, with what it cannot do without. */
interface Needy extends Named {
  readonly needs: readonly string[]
}

interface Parts<
  Case extends Needy,
  Bench extends { dispose(): Promise<void> },
  Subject extends { make(): Promise<Bench> },
> {
  readonly cases: readonly Case[]
  readonly cheats: readonly {
    readonly name: string
    readonly caughtBy: readonly string[]
    spoil(bench: Bench): Bench
  }[]
  readonly subject: Subject
  readonly plugin: keyof Bench
  run(each: Case, subject: Subject): Promise<void>
}

function kit<
  Case extends Needy,
  Bench extends { dispose(): Promise<void> },
  Subject extends { make(): Promise<Bench> },
>(parts: Parts<Case, Bench, Subject>): Kit {
  const { cases, cheats, subject, plugin, run } = parts
  const made = (change: (bench: Bench) => Bench): Subject => ({
    ...subject,
    make: async () => change(await subject.make()),
  })
  return {
    cases: cases.map(({ name }) => name),
    cheats,
    async verdict(cheat, name) {
      const { spoil } = named(cheats, cheat)
      return verdictOf(
        run(
          named(cases, name),
          made((bench) => spoil(bench)),
        ),
      )
    },
    async uses(name) {
      const used = new Set<string>()
      await run(
        named(cases, name),
        made((bench) => watched(bench, plugin, (member) => used.add(member))),
      ).catch((error: unknown) => {
        if (!(error instanceof NotApplicable)) throw error
      })
      // Every context looks for secrets among the settings; only who needs the plug-in can be hurt by what it does.
      if (!named(cases, name).needs.includes('plugin')) used.delete('plugin')
      return used
    },
    async changes(cheat) {
      const honest = await subject.make()
      try {
        return new Set(differences(honest, named(cheats, cheat).spoil(honest), plugin))
      } finally {
        await honest.dispose()
      }
    },
  }
}

async function verdictOf(run: Promise<void>): Promise<Verdict> {
  try {
    await run
    return 'passed'
  } catch (error) {
    if (error instanceof NotApplicable) return 'skipped'
    return error instanceof assert.AssertionError ? 'caught' : 'stumbled'
  }
}

function named<Item extends Named>(items: readonly Item[], name: string): Item {
  const found = items.find((each) => each.name === name)
  assert.ok(found, `there is no "${name}"`)
  return found
}

/** The bench, telling which members are used. */
function watched<Bench extends object>(bench: Bench, plugin: keyof Bench, tell: (member: string) => void): Bench {
  const proxy = <Target extends object>(target: Target, path: string): Target =>
    new Proxy(target, {
      get(from, property): unknown {
        const value: unknown = Reflect.get(from, property, from)
        const member = path === '' ? String(property) : `${path}.${String(property)}`
        if (path === '' && property === plugin && isObject(value)) return facets(value)
        tell(member)
        return value
      },
    })
  const facets = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get(from, property): unknown {
        const value: unknown = Reflect.get(from, property, from)
        if (typeof value === 'function') tell(String(property))
        return isObject(value) && !Array.isArray(value) ? proxy(value, String(property)) : value
      },
    })
  return proxy(bench, '')
}

function differences<Bench extends object>(honest: Bench, spoiled: Bench, plugin: keyof Bench): readonly string[] {
  const [one, other] = [honest[plugin], spoiled[plugin]]
  if (!isObject(one) || !isObject(other)) return ['*']
  const bench = Object.keys(spoiled).filter(
    (key) => key !== plugin && Reflect.get(honest, key) !== Reflect.get(spoiled, key),
  )
  const facets = Object.keys(other).flatMap((facet) => {
    const [a, b]: unknown[] = [Reflect.get(one, facet), Reflect.get(other, facet)]
    if (a === b) return []
    if (typeof a === 'function' && typeof b === 'function') return [facet]
    if (facet === 'limits' || !isObject(a) || !isObject(b) || Array.isArray(b)) return ['*']
    return Object.keys({ ...a, ...b }).flatMap((method) =>
      Reflect.get(a, method) === Reflect.get(b, method) ? [] : [`${facet}.${method}`],
    )
  })
  return [...bench, ...facets]
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
