import { Duration } from 'aws-cdk-lib'
import {
  AwsLogDriverMode,
  Capability,
  ContainerImage,
  CpuArchitecture,
  FargateTaskDefinition,
  LinuxParameters,
  LogDrivers,
  OperatingSystemFamily,
  type Secret,
  UlimitName,
} from 'aws-cdk-lib/aws-ecs'
import type { IRepository } from 'aws-cdk-lib/aws-ecr'
import type { AccessPoint } from 'aws-cdk-lib/aws-efs'
import type { Role } from 'aws-cdk-lib/aws-iam'
import type { Construct } from 'constructs'
import { Size } from 'aws-cdk-lib'
import { accept } from './accept.ts'
import type { FoundationStack } from './foundation.ts'
import type { Installation, InstalledUser } from './installation.ts'
import { namespaceOf } from './metrics.ts'
import { API_PORT, PREVIEW_PORT } from './network.ts'
import type { UserQueues } from './user-queues.ts'

const WORKSPACE = '/workspace'
/** The most that Fargate waits between SIGTERM and SIGKILL: the time in which a run is interrupted and committed. */
const STOP = Duration.seconds(120)
/** What the service gives itself of that; it says what it has left undone and ends before it is killed. */
const DRAIN_SECONDS = 110
const FILES = 65_536

/**
 * What root keeps, so that each thread's agent has a user of its own: give files away and read them (CHOWN, DAC_OVERRIDE, FOWNER,
 * FSETID), become that user (SETUID, SETGID), end its processes (KILL).
 *
 * The container runs as user 0, not as the image's 10001, because EFS is NFS: its server lets user 0 alone give a file to another user
 * or read another's file, whatever capabilities the client's process has. On a disk of the machine the image needs no root.
 *
 * All others are dropped by name: Fargate takes no `add` but SYS_PTRACE, so dropping ALL would leave none.
 */
export const KEPT_CAPABILITIES: readonly Capability[] = [
  Capability.CHOWN,
  Capability.DAC_OVERRIDE,
  Capability.FOWNER,
  Capability.FSETID,
  Capability.KILL,
  Capability.SETGID,
  Capability.SETUID,
]
const DROPPED = Object.values(Capability).filter((capability) => capability !== Capability.ALL && !KEPT_CAPABILITIES.includes(capability))

export interface Contained {
  readonly family: string
  readonly installation: Installation
  readonly user: InstalledUser
  readonly foundation: FoundationStack
  readonly repository: IRepository
  readonly accessPoint: AccessPoint
  readonly taskRole: Role
  readonly executionRole: Role
  readonly environment: Readonly<Record<string, string>>
  readonly secrets: Readonly<Record<string, Secret>>
}

export function taskDefinitionOf(scope: Construct, contained: Contained): FargateTaskDefinition {
  const { family, installation, user, foundation, repository, accessPoint, taskRole, executionRole, environment, secrets } = contained
  const definition = new FargateTaskDefinition(scope, 'Task', {
    family,
    cpu: user.cpu,
    memoryLimitMiB: user.memoryMb,
    runtimePlatform: {
      cpuArchitecture: installation.architecture === 'ARM64' ? CpuArchitecture.ARM64 : CpuArchitecture.X86_64,
      operatingSystemFamily: OperatingSystemFamily.LINUX,
    },
    taskRole: taskRole.withoutPolicyUpdates(),
    executionRole: executionRole.withoutPolicyUpdates(),
    volumes: [
      { name: 'tmp' }, // the root is read-only, and Fargate has no tmpfs
      {
        name: 'workspace',
        efsVolumeConfiguration: {
          fileSystemId: foundation.storage.files.fileSystemId,
          transitEncryption: 'ENABLED',
          authorizationConfig: { accessPointId: accessPoint.accessPointId, iam: 'ENABLED' },
        },
      },
    ],
  })
  const linuxParameters = new LinuxParameters(scope, 'Linux', { initProcessEnabled: false }) // the image begins with tini
  linuxParameters.dropCapabilities(...DROPPED)
  const container = definition.addContainer('branchline', {
    containerName: 'branchline',
    image: ContainerImage.fromEcrRepository(repository, installation.imageTag),
    essential: true,
    user: '0:0',
    readonlyRootFilesystem: true,
    linuxParameters,
    stopTimeout: STOP,
    // ECS knows nothing of the one in the image.
    healthCheck: {
      command: ['CMD', 'branchline', 'health'],
      interval: Duration.seconds(30),
      timeout: Duration.seconds(10),
      retries: 3,
      startPeriod: Duration.seconds(60),
    },
    ulimits: [{ name: UlimitName.NOFILE, softLimit: FILES, hardLimit: FILES }],
    environment,
    secrets,
    logging: LogDrivers.awsLogs({
      logGroup: foundation.log,
      streamPrefix: family,
      // A log that is not taken must not stop the service; what does not fit is left out.
      mode: AwsLogDriverMode.NON_BLOCKING,
      maxBufferSize: Size.mebibytes(25),
    }),
    ...(foundation.entrance === undefined
      ? {}
      : {
          portMappings: [
            { containerPort: API_PORT, name: 'api' },
            { containerPort: PREVIEW_PORT, name: 'previews' },
          ],
        }),
  })
  container.addMountPoints(
    { containerPath: '/tmp', sourceVolume: 'tmp', readOnly: false },
    { containerPath: WORKSPACE, sourceVolume: 'workspace', readOnly: false },
  )
  accept(definition, 'AwsSolutions-ECS2', 'What stands in the environment is no secret: names, addresses and limits. Secrets come from Secrets Manager.')
  return definition
}

export interface Told {
  readonly installation: Installation
  readonly user: InstalledUser
  readonly region: string
  readonly account: string
  readonly queues: UserQueues
  readonly queuesTable: string
  readonly journalTable: string
  readonly cluster: string
  readonly service: string
  /** `{slug}.{domain}`. */
  readonly host: string | undefined
}

/** The variables of the service that are no secrets. */
export function environmentOf({ installation, user, host, queues, ...told }: Told): Readonly<Record<string, string>> {
  const { model, maxCostUsdPerDay } = installation
  return {
    ...user.environment,
    HOST: '0.0.0.0',
    WORKSPACE_PATH: WORKSPACE,
    CLIENT_ID: user.clientId,
    PROJECT_ID: user.projectId,
    USER_ID: user.userId,
    ...(queues.kind === 'pair'
      ? { INPUT_QUEUE_URL: queues.input.queueUrl, OUTPUT_QUEUE_URL: queues.output.queueUrl }
      : { QUEUE_TABLE: told.queuesTable, QUEUE_PREFIX: queues.prefix }),
    DLQ_URL: queues.dead.queueUrl,
    JOURNAL_TABLE: told.journalTable,
    AWS_REGION: told.region,
    AWS_ACCOUNT_ID: told.account,
    ECS_CLUSTER: told.cluster,
    ECS_SERVICE: told.service,
    AUTO_SHUTDOWN_MINUTES: user.alwaysOn ? '0' : String(user.autoShutdownMinutes),
    MAX_COST_USD_PER_DAY: String(user.maxCostUsdPerDay ?? maxCostUsdPerDay),
    DRAIN_SECONDS: String(DRAIN_SECONDS),
    METRICS_EMF: 'true',
    METRICS_NAMESPACE: namespaceOf(installation.name),
    ISOLATION: 'require',
    SIMULATION: 'false',
    ...(host === undefined
      ? { PORT: 'off', ASTRO_PORT: 'off' }
      : { PORT: String(API_PORT), ASTRO_PORT: String(PREVIEW_PORT), PREVIEW_DOMAIN: host, PUBLIC_URL: `https://${host}` }),
    ...(model.kind === 'bedrock' ? { CLAUDE_CODE_USE_BEDROCK: 'true', ANTHROPIC_MODEL: model.model } : {}),
    ...(user.repoUrl === undefined ? {} : { REPO_URL: user.repoUrl }),
  }
}
