/** An object without the entries that are `undefined`: a parameter that was not given is not a wish for nothing. */
export function given<Wishes extends Readonly<Record<string, unknown>>>(
  object: Wishes,
): { readonly [Name in keyof Wishes]?: Exclude<Wishes[Name], undefined> } {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined)
  // The same names with the same values, those left out excepted: what the type says.
  return Object.fromEntries(entries) as { readonly [Name in keyof Wishes]?: Exclude<Wishes[Name], undefined> }
}
