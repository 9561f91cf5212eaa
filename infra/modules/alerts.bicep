import { queues, tagMap } from 'types.bicep'

@description('Required. Region of the query rules.')
param location string

@description('Required. Tags.')
param tags tagMap

@description('Required. Log Analytics workspace that the query rules read.')
param workspaceId string

@description('Required. Queue service whose backlog is watched.')
param queueServiceId string

@description('Required. App whose restarts are watched.')
param appId string

@description('Optional. Name of the Event Grid topic whose dead letters are watched.')
param topicName string?

@description('Required. Minutes that the first message of a queue may wait.')
param oldestMessageMinutes int

@description('Required. Addresses that get alerts.')
param emails string[]

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ops'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'ops'
    enabled: true
    emailReceivers: [for email in emails: { name: email, emailAddress: email, useCommonAlertSchema: true }]
  }
}

// Not of events, which their readers take when they like.
var queuesInOrder = '"${queues.jobs}", "${queues.lines}", "${queues.dispatch}", "${queues.webhooks}"'

@description('Queries that must find nothing.')
var queries = {
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
}

resource queryRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in items(queries): {
    name: rule.key
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: rule.key
      description: rule.value.description
      severity: rule.value.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      autoMitigate: true
      // The tables exist only after the first log line.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: rule.value.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [actionGroup.id] }
    }
  }
]

@description('The platform measures all queues together, and hourly at best.')
resource backlog 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: 'queue-backlog'
  location: 'global'
  tags: tags
  properties: {
    description: 'More than 1,000 messages wait in the account.'
    severity: 3
    enabled: true
    scopes: [queueServiceId]
    evaluationFrequency: 'PT1H'
    windowSize: 'PT1H'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'messages'
          metricNamespace: 'Microsoft.Storage/storageAccounts/queueServices'
          metricName: 'QueueMessageCount'
          operator: 'GreaterThan'
          threshold: 1000
          timeAggregation: 'Average'
        }
      ]
    }
    actions: [{ actionGroupId: actionGroup.id }]
  }
}

resource restarts 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: 'replica-restarts'
  location: 'global'
  tags: tags
  properties: {
    description: 'A replica restarted more than twice: a crash, a failing probe, or too little memory.'
    severity: 2
    enabled: true
    scopes: [appId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'restarts'
          metricNamespace: 'Microsoft.App/containerApps'
          metricName: 'RestartCount'
          operator: 'GreaterThan'
          threshold: 2
          timeAggregation: 'Maximum'
        }
      ]
    }
    actions: [{ actionGroupId: actionGroup.id }]
  }
}

resource deadLetters 'Microsoft.Insights/metricAlerts@2026-01-01' = if (topicName != null) {
  name: 'event-dead-letters'
  location: 'global'
  tags: tags
  properties: {
    description: 'Event Grid gave up on an event.'
    severity: 2
    enabled: true
    scopes: [resourceId('Microsoft.EventGrid/topics', topicName!)]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'deadLettered'
          metricNamespace: 'Microsoft.EventGrid/topics'
          metricName: 'DeadLetteredCount'
          operator: 'GreaterThan'
          threshold: 0
          timeAggregation: 'Total'
        }
      ]
    }
    actions: [{ actionGroupId: actionGroup.id }]
  }
}

output actionGroupId string = actionGroup.id
