import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { DynamoDBClientConfig } from '@aws-sdk/client-dynamodb'
import type { SQSClientConfig } from '@aws-sdk/client-sqs'

/** One socket for each queue that is polled; the SDK's own limit of 50 lets the others wait. */
const MAX_SOCKETS = 2000
const CONNECT_MS = 5000
const ANSWER_MS = 3000
/** Silence that is more than a poll that waits as long as it may. */
const POLL_MARGIN_MS = 5000

const agents = () => ({
  httpAgent: new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS }),
  httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets: MAX_SOCKETS }),
})

/**
 * A client for requests that are answered at once. The host of a queue's URL is not asked: it may come from a table, and requests are
 * signed. The SDK itself has no time-outs, and a connection that is open at one end only would hang for ever.
 */
export const forCalls = (region: string | undefined, maxAttempts = 2): SQSClientConfig & DynamoDBClientConfig => ({
  ...(region === undefined ? {} : { region }),
  maxAttempts,
  useQueueUrlAsEndpoint: false,
  requestHandler: { ...agents(), connectionTimeout: CONNECT_MS, requestTimeout: ANSWER_MS, throwOnRequestTimeout: true },
})

/** A client for polls that wait. */
export const forPolls = (region: string | undefined, waitSeconds: number): SQSClientConfig => ({
  ...forCalls(region, 1),
  requestHandler: { ...agents(), connectionTimeout: CONNECT_MS, socketTimeout: waitSeconds * 1000 + POLL_MARGIN_MS },
})

export const isFifo = (queueUrl: string): boolean => queueUrl.endsWith('.fifo')

/** Errors by which SQS says that the same request would be refused again. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof Error && '$fault' in error && error.$fault === 'client' && !/Throttl|TooManyRequests|RequestTimeout|Expired|SlowDown/.test(error.name)
