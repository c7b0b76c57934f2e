// Makes what the service of compose.yaml finds in AWS elsewhere: a pair of queues, one for dead letters, the table of the journal.
import { createRequire } from 'node:module'
import { setTimeout as delay } from 'node:timers/promises'

/** The program of the image, which has the packages. */
const require = createRequire('/app/package.json')
const { CreateQueueCommand, SQSClient } = require('@aws-sdk/client-sqs')
const { CreateTableCommand, DynamoDBClient, ResourceInUseException } = require('@aws-sdk/client-dynamodb')

const ATTEMPTS = 30
const PAUSE_MS = 1000

const sqs = new SQSClient()
const queue = (QueueName, attributes) => sqs.send(new CreateQueueCommand({ QueueName, Attributes: { FifoQueue: 'true', ...attributes } }))

await queue('branchline-dead.fifo')
const redrive = { deadLetterTargetArn: 'arn:aws:sqs:us-east-1:000000000000:branchline-dead.fifo', maxReceiveCount: 5 }
await queue('branchline-input.fifo', { RedrivePolicy: JSON.stringify(redrive), VisibilityTimeout: '60' })
await queue('branchline-output.fifo')

const dynamo = new DynamoDBClient()
const table = new CreateTableCommand({
  TableName: 'branchline-journal',
  BillingMode: 'PAY_PER_REQUEST',
  AttributeDefinitions: ['pk', 'sk'].map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
  KeySchema: [
    { AttributeName: 'pk', KeyType: 'HASH' },
    { AttributeName: 'sk', KeyType: 'RANGE' },
  ],
})
for (let left = ATTEMPTS; ; left -= 1) {
  try {
    await dynamo.send(table)
    break
  } catch (error) {
    if (error instanceof ResourceInUseException) break // it is there already
    if (left === 0) throw error
    await delay(PAUSE_MS) // the server may not listen yet
  }
}
process.stdout.write('The queues and the table are there.\n')
