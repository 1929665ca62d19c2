import type { Api, Entity } from '../../lab/api.ts'

/** Takes a census and answers what it found that should not be: everything open but the foreign. */
export async function findings(api: Api): Promise<readonly Entity[]> {
  await api.run('runCensus')
  const found = await api.list('listCensusFindings', { state: 'open' })
  return found.filter((finding) => finding['kind'] !== 'foreign')
}
