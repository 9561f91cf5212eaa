import { queues } from 'types.bicep'

@export()
@description('How many replicas there are, and what wakes them.')
type replicaScale = {
  @description('Rules that the platform derives from the triggers, or KEDA rules in the template.')
  rules: 'native' | 'explicit'

  @description('Jobs that one replica works on at once: batchSize + newBatchThreshold of host.json.')
  jobsPerReplica: int

  @description('Replicas that always run.')
  min: int

  @description('Most replicas.')
  max: int
}

@description('A queue that wakes a replica for so many messages.')
type queueRule = {
  queue: string
  length: int
}

@export()
@description('KEDA rules: none where the platform makes its own, for every trigger; else the queues that must wake a replica.')
func queueRules(scale replicaScale) { *: queueRule } =>
  scale.rules == 'native'
    ? {}
    : {
        jobs: { queue: queues.jobs, length: scale.jobsPerReplica }
        lines: { queue: queues.lines, length: scale.jobsPerReplica }
        dispatch: { queue: queues.dispatch, length: 100 }
        webhooks: { queue: queues.webhooks, length: 100 }
      }
