import { simulate, type Outcomes } from './fleet.ts'
import type { Inputs } from './inputs.ts'
import type { Scale } from './traffic.ts'

/** Something that ends somewhere, and with how many users it does. */
export interface Limit {
  readonly name: string
  readonly users: number
  /** `count` follows from the number of users alone, `use` from what they do at the busiest time of the simulation. */
  readonly from: 'count' | 'use'
}

const PERIOD_S = 600

/** Those that are met first come first. */
export function limitsOf(inputs: Inputs, { busiest, peakTasks }: Outcomes, scale: Scale): readonly Limit[] {
  const { users } = scale
  const { quotas, perUser, launch, container, take } = inputs
  const counted = (name: string, quota: number, each: number): Limit => ({ name, users: each === 0 ? Infinity : Math.floor(quota / each), from: 'count' })
  /** @param used of what the quota is for, by all users of the simulation at its busiest */
  const used = (name: string, quota: number, atPeak: number): Limit => ({ name, users: Math.floor((quota / atPeak) * users), from: 'use' })
  const runsPerSecond = busiest.runs / PERIOD_S
  return [
    counted('certificates of one load balancer', quotas.certificates, perUser.certificates),
    counted('target groups of one load balancer (fixed)', quotas.targetGroups, perUser.targetGroups),
    counted('rules of one load balancer', quotas.rules, perUser.rules),
    counted('target groups of a region', quotas.regionTargetGroups, perUser.targetGroups),
    counted('load balancers of a region', quotas.targetGroups * quotas.loadBalancers, perUser.targetGroups),
    counted('IAM roles of an account', quotas.roles, perUser.roles),
    counted('alarms of a region', quotas.alarms, perUser.alarms),
    counted('CloudFormation stacks of a region', quotas.stacks, 1),
    counted('ECS services of a cluster', quotas.servicesPerCluster, 1),
    counted('EFS access points of a file system', quotas.accessPoints, 1),
    { name: 'vCPU quota of a new account', users: usersWithin(inputs, scale, quotas.vcpuDefault), from: 'use' as const },
    used('vCPU quota after raising it', quotas.vcpuRaised, peakTasks * container.vcpu),
    used('network interfaces of a region', quotas.networkInterfaces, peakTasks),
    used('addresses of the subnets', quotas.addresses, peakTasks),
    used('calls that change ECS services', launch.modifyPerSecond, busiest.wakes / PERIOD_S),
    used('starts of Fargate tasks', launch.perSecond, busiest.launches / PERIOD_S),
    used('reads of one EFS file system', quotas.efsReadMbPerSecond, runsPerSecond * (take.efsReadMbPerRun + take.efsReadMbPerStart)),
    used('writes of one EFS file system', quotas.efsWriteMbPerSecond, runsPerSecond * take.efsWriteMbPerRun),
  ].toSorted((a, b) => a.users - b.users)
}

const STEP = 10
const MOST = 1000

/** Few users differ more from one another than many do, so that their peak does not follow from that of many. */
function usersWithin(inputs: Inputs, scale: Scale, vcpu: number): number {
  let users = 0
  while (users < MOST && simulate(inputs, { ...scale, users: users + STEP }).peakTasks * inputs.container.vcpu <= vcpu) users += STEP
  return users
}

/** Messages a second that one user may send before the partition of its journal takes no more. */
export const messagesPerSecondOfOneUser = ({ quotas, take }: Inputs): number => quotas.tableWritesPerKey / take.writeUnitsPerMessage
