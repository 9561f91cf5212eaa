import { queriesFor } from 'alertQueries.bicep'
import { tagMap } from 'types.bicep'

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

@description('Required. Name of the Event Grid topic whose dead letters are watched; empty for none.')
param topicName string

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

resource queryRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in items(queriesFor(oldestMessageMinutes)): {
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

// The platform measures all queues together, and hourly at best.
var metrics = {
  'queue-backlog': {
    description: 'More than 1,000 messages wait in the account.'
    severity: 3
    scope: queueServiceId
    namespace: 'Microsoft.Storage/storageAccounts/queueServices'
    metric: 'QueueMessageCount'
    aggregation: 'Average'
    threshold: 1000
    every: 'PT1H'
    window: 'PT1H'
  }
  'replica-restarts': {
    description: 'A replica restarted more than twice: a crash, a failing probe, or too little memory.'
    severity: 2
    scope: appId
    namespace: 'Microsoft.App/containerApps'
    metric: 'RestartCount'
    aggregation: 'Maximum'
    threshold: 2
    every: 'PT5M'
    window: 'PT15M'
  }
  ...(empty(topicName)
    ? {}
    : {
        'event-dead-letters': {
          description: 'Event Grid gave up on an event.'
          severity: 2
          scope: resourceId('Microsoft.EventGrid/topics', topicName)
          namespace: 'Microsoft.EventGrid/topics'
          metric: 'DeadLetteredCount'
          aggregation: 'Total'
          threshold: 0
          every: 'PT5M'
          window: 'PT15M'
        }
      })
}

resource metricRules 'Microsoft.Insights/metricAlerts@2026-01-01' = [
  for rule in items(metrics): {
    name: rule.key
    location: 'global'
    tags: tags
    properties: {
      description: rule.value.description
      severity: rule.value.severity
      enabled: true
      scopes: [rule.value.scope]
      evaluationFrequency: rule.value.every
      windowSize: rule.value.window
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: rule.value.metric
            metricNamespace: rule.value.namespace
            metricName: rule.value.metric
            operator: 'GreaterThan'
            threshold: rule.value.threshold
            timeAggregation: rule.value.aggregation
          }
        ]
      }
      actions: [{ actionGroupId: actionGroup.id }]
    }
  }
]

output actionGroupId string = actionGroup.id
