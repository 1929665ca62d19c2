interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/**
 * Dependencies that a package-lock.json names without having an entry for them, as `package needs dependency`. With one
 * of these `npm ci` refuses to install. They come into being when the registry that `npm install` asked lacks some
 * platform's build of an optional dependency.
 */
export function missingFromLock(text: string): readonly string[] {
  // npm has written it, in its format of version 3.
  const { packages } = JSON.parse(text) as { readonly packages: Readonly<Record<string, LockedPackage>> }
  return Object.entries(packages).flatMap(([path, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => !placesOf(path).some((place) => Object.hasOwn(packages, `${place}node_modules/${name}`)))
      .map((name) => `${path} needs ${name}`),
  )
}

/** Where Node looks from a package: inside it, then outwards to the root. */
function placesOf(path: string): readonly string[] {
  const parts = path === '' ? [] : path.split('/')
  return [...parts.keys()]
    .map((at) => `${parts.slice(0, at + 1).join('/')}/`)
    .toReversed()
    .concat('')
}
