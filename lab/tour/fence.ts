import type { Api } from '../api.ts'

/**
 * The highest fence that any operation has held: under it the lab may ask the SAN for access of its own without being
 * taken for a late duplicate, and without getting in the way of the operations after it.
 */
export async function lastFence(api: Api): Promise<number> {
  const operations = await api.list('listOperations', { pagesize: 50, page: 1 })
  return Math.max(0, ...operations.map((operation) => Number(operation['fence'] ?? 0)))
}
