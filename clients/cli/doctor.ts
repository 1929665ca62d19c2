import type { ApiClient } from '@moorage/api-client'

/** What the doctor found of one thing. */
export interface Finding {
  readonly about: string
  readonly how: 'well' | 'note' | 'bad'
  readonly text: string
}

const OLDEST_NODE = 20
const MOST_SKEW_SECONDS = 5

/** Looks at this machine, the controller, its database and clock, and what it manages. Never throws. */
export async function examine(url: string, client: ApiClient): Promise<readonly Finding[]> {
  const node = Number(process.versions.node.split('.')[0])
  const here: Finding = {
    about: 'node',
    how: node >= OLDEST_NODE ? 'well' : 'bad',
    text: `${process.versions.node}; at least ${OLDEST_NODE} is needed`,
  }
  const controller = await probe(url)
  if (controller.some(({ about, how }) => about === 'controller' && how === 'bad')) return [here, ...controller]
  const parts = await Promise.all([
    looked('keys', async () => [
      { about: 'keys', how: 'well', text: `${(await counted(client, 'listZones')).length} zones are seen` },
    ]),
    looked('hosts', async () => states('hosts', await counted(client, 'listHosts'), 'Up')),
    looked('pools', async () => states('pools', await counted(client, 'listStoragePools'), 'Up')),
    looked('operations', async () =>
      operations(await counted(client, 'listOperations', { state: 'open', listall: true })),
    ),
    looked('census', async () => census(await counted(client, 'listCensusFindings', { state: 'open' }))),
  ])
  return [here, ...controller, ...parts.flat()]
}

type Row = ReadonlyMap<string, unknown>

async function counted(
  client: ApiClient,
  command: Parameters<ApiClient['list']>[0],
  params = {},
): Promise<readonly Row[]> {
  const found: Row[] = []
  for await (const one of client.list(command, params)) found.push(new Map<string, unknown>(Object.entries(one)))
  return found
}

async function looked(about: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look()
  } catch (error) {
    return [{ about, how: 'bad', text: error instanceof Error ? error.message : String(error) }]
  }
}

async function probe(url: string): Promise<readonly Finding[]> {
  try {
    const answer = await fetch(new URL('/readyz', url))
    const said = new Map<string, unknown>(Object.entries((await answer.json()) as object)) // The probe answers an object.
    const skew = Math.abs(Date.now() - Date.parse(answer.headers.get('date') ?? '')) / 1000
    const ready = answer.status === 200
    return [
      { about: 'controller', how: 'well', text: `answers at ${new URL(url).origin}` },
      {
        about: 'database',
        how: said.get('database') === 'answers' ? 'well' : 'bad',
        text: String(said.get('database')),
      },
      { about: 'leases', how: ready ? 'well' : 'bad', text: String(said.get('leases')) },
      // The header has whole seconds.
      {
        about: 'clock',
        how: skew <= MOST_SKEW_SECONDS ? 'well' : 'bad',
        text: `${skew.toFixed(0)} s from the controller's`,
      },
    ]
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
    return [{ about: 'controller', how: 'bad', text: `${new URL(url).origin} does not answer: ${cause}` }]
  }
}

function states(about: string, rows: readonly Row[], well: string): readonly Finding[] {
  const off = rows.filter((row) => row.get('state') !== well)
  if (rows.length === 0) return [{ about, how: 'note', text: 'there are none' }]
  if (off.length === 0) return [{ about, how: 'well', text: `${rows.length}, all ${well}` }]
  return off.map((row) => ({ about, how: 'bad', text: `${String(row.get('name'))} is ${String(row.get('state'))}` }))
}

function operations(rows: readonly Row[]): readonly Finding[] {
  const late = rows.filter((row) => row.get('abandoned') === true || Number(row.get('attempt') ?? 0) > 2)
  if (late.length === 0) return [{ about: 'operations', how: 'well', text: `${rows.length} open` }]
  return late.map((row) => {
    const text = `${String(row.get('command'))} ${String(row.get('id'))} has been at ${String(row.get('step'))} for ${String(row.get('attempt'))} attempts`
    return { about: 'operations', how: 'note', text }
  })
}

function census(rows: readonly Row[]): readonly Finding[] {
  if (rows.length === 0) return [{ about: 'census', how: 'well', text: 'nothing is open' }]
  return rows.slice(0, 10).map((row) => ({
    about: 'census',
    how: 'note',
    text: `${String(row.get('kind'))}: ${String(row.get('object'))} at ${String(row.get('place'))}`,
  }))
}
