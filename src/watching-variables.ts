import * as z from 'zod'
import { flag, headers } from './shapes.ts'

/** Environment variables of what watches the service, as those of `variables.ts`. */
export const WATCHING_VARIABLES = {
  METRICS_EMF: {
    group: 'service',
    default: 'false',
    about: 'Whether what is measured is written as a line a minute on standard output, in the embedded metric format of CloudWatch.',
    shape: flag.default(false),
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    group: 'service',
    default: '',
    about: 'Where traces of commands go, by OTLP over HTTP, such as http://localhost:4318.',
    shape: z.url({ protocol: /^https?$/ }).optional(),
  },
  OTEL_EXPORTER_OTLP_HEADERS: {
    group: 'service',
    default: '',
    about: 'Headers for that place, `name=value`, divided by commas.',
    shape: headers.default({}),
    secret: true,
  },
} as const
