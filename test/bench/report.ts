/** One row of a benchmark: what was measured, and against what in the same run. */
export interface BenchRow {
  readonly bench: string
  readonly case: string
  readonly value: number
  readonly unit: string
  /** Present where the row compares: `value` over that of the raw path or peer, measured in the same run. */
  readonly ratio?: number
  readonly goal?: string
  readonly note?: string
}

/** What was asked on the command line. */
export interface BenchOptions {
  /** Size of the image of a bench that has one, in MiB. */
  readonly mib?: number
}

/** One benchmark. Answers its rows; prints nothing. */
export interface Bench {
  readonly name: string
  readonly about: string
  run(options: BenchOptions): Promise<readonly BenchRow[]>
}

/** Middle value; of an even number, the mean of the two. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((one, other) => one - other)
  const middle = Math.floor(sorted.length / 2)
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? high) + high) / 2
}

/** The value below which `share` (0 to 1) of the numbers lie. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Milliseconds that `work` took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** Prints rows as a table. */
export function printRows(rows: readonly BenchRow[]): void {
  const cells = rows.map((row) => [
    row.case,
    `${row.value.toPrecision(4)} ${row.unit}`,
    row.ratio === undefined ? '' : `x${row.ratio.toFixed(2)}`,
    row.goal ?? '',
    row.note ?? '',
  ])
  const head = ['Case', 'Value', 'Ratio', 'Goal', 'Note']
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => (row[column] ?? '').length)))
  for (const row of [head, widths.map((width) => '-'.repeat(width)), ...cells]) {
    process.stdout.write(`  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}\n`)
  }
}
