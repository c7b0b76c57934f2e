import type { Metrics } from '../../observe/metrics.ts'
import { route, type Route } from './route.ts'

/** What is measured, for Prometheus. */
export const metricsRoute = (metrics: Metrics): Route =>
  route({
    method: 'GET',
    url: '/metrics',
    operationId: 'getMetrics',
    summary: 'What is measured, in the text format of Prometheus',
    role: 'view',
    answers: { 200: { about: 'Counters, gauges and histograms.', contentType: 'text/plain' } },
    serve: async ({ c }) => {
      const { body, contentType } = await metrics.text()
      return c.body(body, 200, { 'content-type': contentType })
    },
  })
