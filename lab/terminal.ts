/** A line of the final table. */
export interface Row {
  readonly step: string
  readonly result: string
  readonly seconds: number
}

/** Prints the tour as it goes and keeps what it printed for the table at the end. */
export interface Terminal {
  heading(text: string): void
  note(text: string): void
  /** Runs one step: prints its name while it runs, then its result and time. A failure is printed and thrown on with the name. */
  step(name: string, work: () => Promise<string>): Promise<void>
  table(): void
}

/** Steps without a screen. */
export const SILENT: Terminal = {
  heading() {},
  note() {},
  async step(_name, work) {
    await work()
  },
  table() {},
}

/** A terminal that writes to standard output; colours only where that is a screen. */
export function terminal(): Terminal {
  const rows: Row[] = []
  const screen = process.stdout.isTTY
  const paint = (code: number, text: string) => (screen ? `\u001B[${code}m${text}\u001B[0m` : text)
  return {
    heading: (text) => process.stdout.write(`\n${paint(1, text)}\n`),
    note: (text) => process.stdout.write(`    ${paint(2, text)}\n`),
    async step(name, work) {
      if (screen) process.stdout.write(`  ... ${name}`)
      const began = performance.now()
      try {
        const result = await work()
        const seconds = (performance.now() - began) / 1000
        rows.push({ step: name, result, seconds })
        const line = `  ${paint(32, 'ok')}  ${name.padEnd(44)} ${`${seconds.toFixed(2)} s`.padStart(8)}  ${result}\n`
        process.stdout.write(screen ? `\r\u001B[K${line}` : line)
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        process.stdout.write(`${screen ? '\r\u001B[K' : ''}  ${paint(31, 'FAILED')}  ${name}\n          ${why}\n`)
        throw new Error(`${name}: ${why}`, { cause: error })
      }
    },
    table: () => printTable(rows),
  }
}

function printTable(rows: readonly Row[]): void {
  const width = Math.max(...rows.map((row) => row.step.length), 4)
  process.stdout.write(`\n  ${'Step'.padEnd(width)}  ${'Seconds'.padStart(8)}  Result\n`)
  process.stdout.write(`  ${'-'.repeat(width)}  ${'-'.repeat(8)}  ${'-'.repeat(40)}\n`)
  for (const row of rows) {
    process.stdout.write(`  ${row.step.padEnd(width)}  ${row.seconds.toFixed(2).padStart(8)}  ${row.result}\n`)
  }
  const total = rows.reduce((sum, row) => sum + row.seconds, 0)
  process.stdout.write(`  ${'total'.padEnd(width)}  ${total.toFixed(2).padStart(8)}\n`)
}
