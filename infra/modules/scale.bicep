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

@description('A rule of a container app\'s scale.')
type scaleRule = {
  name: string
  http: { metadata: { concurrentRequests: string } }?
  azureQueue: { accountName: string, queueName: string, queueLength: int, identity: string }?
}

@export()
@description('KEDA rules: none where the platform makes its own, for every trigger; else one for each queue that must wake a replica, and one for HTTP, which the platform adds only where there is no other.')
func scaleRules(scale replicaScale, accountName string, identityId string) scaleRule[] =>
  scale.rules == 'native'
    ? []
    : [
        { name: 'http', http: { metadata: { concurrentRequests: '100' } } }
        queueRule('jobs', queues.jobs, scale.jobsPerReplica, accountName, identityId)
        queueRule('lines', queues.lines, scale.jobsPerReplica, accountName, identityId)
        queueRule('dispatch', queues.dispatch, 100, accountName, identityId)
        queueRule('webhooks', queues.webhooks, 100, accountName, identityId)
      ]

func queueRule(name string, queue string, length int, accountName string, identityId string) scaleRule => {
  name: name
  azureQueue: { accountName: accountName, queueName: queue, queueLength: length, identity: identityId }
}
