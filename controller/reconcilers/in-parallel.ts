/** How many back ends are asked at a time: one that hangs must not hold up all the others. */
const AT_A_TIME = 16

/** Works on every item, whatever becomes of the others; throws `AggregateError` of what they threw, once all are done. */
export async function inParallel<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const left = items.values()
  const errors: unknown[] = []
  const workers = Array.from({ length: Math.min(AT_A_TIME, items.length) }, async () => {
    for (const item of left) {
      try {
        await work(item)
      } catch (error) {
        errors.push(error)
      }
    }
  })
  await Promise.all(workers)
  if (errors.length > 0)
    throw new AggregateError(errors, `${errors.length} of ${items.length} could not be looked after`)
}
