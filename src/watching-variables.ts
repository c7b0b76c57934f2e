import * as z from 'zod'
import { flag, headers, whole } from './shapes.ts'

/** Environment variables of what watches the service, as those of `variables.ts`. */
export const WATCHING_VARIABLES = {
  METRICS_EMF: {
    group: 'service',
    default: 'false',
    about: 'Whether what is measured is written as lines on standard output, in the embedded metric format of CloudWatch.',
    shape: flag.default(false),
  },
  METRICS_SECONDS: { group: 'service', default: '60', about: 'Seconds between two such lines.', shape: whole(1, 3600).default(60) },
  METRICS_NAMESPACE: {
    group: 'service',
    default: 'Branchline',
    about: 'Namespace of CloudWatch that they are for.',
    shape: z
      .string()
      .regex(/^[\w./#:-]{1,255}$/, 'must be 1 to 255 letters, digits or . - _ / # :')
      .default('Branchline'),
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    group: 'service',
    default: '',
    about: 'Where traces of commands go, by OTLP over HTTP, such as http://localhost:4318.',
    shape: z.url({ protocol: /^https?$/, error: 'must be a URL, such as http://localhost:4318' }).optional(),
  },
  OTEL_EXPORTER_OTLP_HEADERS: {
    group: 'service',
    default: '',
    about: 'Headers for that place, `name=value`, divided by commas.',
    shape: headers.default({}),
    secret: true,
  },
} as const
