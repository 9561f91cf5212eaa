import { queues } from 'types.bicep'

@description('A query that must find nothing.')
type alertQuery = {
  description: string
  severity: 0 | 1 | 2 | 3 | 4
  query: string
}

// Not of events, which their readers take when they like.
var queuesInOrder = '"${queues.jobs}", "${queues.lines}", "${queues.dispatch}", "${queues.webhooks}"'

@export()
@description('Queries that must find nothing, by the name of the alert.')
func queriesFor(oldestMessageMinutes int) { *: alertQuery } => {
  'poison-messages': {
    description: 'A message went to a poison queue: its function failed on every attempt.'
    severity: 1
    query: 'StorageQueueLogs | where OperationName == "PutMessage" and StatusCode startswith "20" and ObjectKey contains "-poison"'
  }
  'failed-jobs': {
    description: 'A job failed for good; it waits in ${queues.failedJobs} for an operator.'
    severity: 2
    query: 'StorageQueueLogs | where OperationName == "PutMessage" and StatusCode startswith "20" and ObjectKey contains "${queues.failedJobs}"'
  }
  'model-not-loaded': {
    description: 'A replica could not load its model; jobs wait until it can.'
    severity: 1
    query: 'AppTraces | where SeverityLevel >= 3 and Message contains "did not load"'
  }
  'oldest-message': {
    description: 'The first message of a queue has waited for more than ${oldestMessageMinutes} minutes. A running replica measures it: where none starts, scaling-skipped and queue-backlog tell.'
    severity: 2
    query: 'AppMetrics | where Name == "batch.queue.oldest_age" and coalesce(Max, Sum) > ${oldestMessageMinutes * 60} and tostring(Properties["messaging.destination.name"]) in (${queuesInOrder})'
  }
  'scaling-skipped': {
    description: 'The platform made no scale rule for a trigger, so its queue wakes no replica. Deploy with scaling = explicit.'
    severity: 1
    query: 'ContainerAppSystemLogs | where Log contains "Skipping configuration of KEDA scale rule"'
  }
  'logs-capped': {
    description: 'The workspace took its daily amount of logs and takes no more until tomorrow: until then no alert that reads logs fires.'
    severity: 2
    query: '_LogOperation | where Category =~ "Ingestion" and Detail contains "OverQuota"'
  }
}
