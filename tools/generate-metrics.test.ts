import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { METRICS } from '@moorage/controller/telemetry/metric-table.ts'
import { METRICS_PAGE, metricsPage } from './generate-metrics.ts'

test('the page of metrics is that of the code; `tools/run node tools/generate-metrics.ts` renews it', () => {
  expect(readFileSync(METRICS_PAGE, 'utf8')).toBe(metricsPage(METRICS))
})
