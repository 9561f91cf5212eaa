import { deadLetterContainer, queues, roleIds, tagMap } from 'types.bicep'

@description('Required. Name of the topic.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagMap

@description('Required. Name of the storage account that holds the consumers\' queues and the dead letters.')
param storageAccountName string

@description('Required. Consumers: each gets a queue of its own.')
param consumers string[]

@description('Required. Log Analytics workspace that gets the logs.')
param workspaceId string

@description('Required. Whether the topic answers outside of the virtual network.')
param publicNetworkAccess 'Enabled' | 'Disabled'

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName

  resource queueService 'queueServices' existing = {
    name: 'default'
  }

  resource blobService 'blobServices' existing = {
    name: 'default'

    resource deadLetters 'containers' existing = { name: deadLetterContainer }
  }
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: publicNetworkAccess
  }
}

resource consumerQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [
  for consumer in consumers: {
    parent: account::queueService
    name: '${queues.events}-${consumer}'
  }
]

resource deliver 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (consumer, i) in consumers: {
    name: guid(consumerQueues[i].id, topic.id, roleIds.storageQueueDataMessageSender)
    scope: consumerQueues[i]
    properties: {
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roleIds.storageQueueDataMessageSender
      )
      principalId: topic.identity.principalId
      principalType: 'ServicePrincipal'
    }
  }
]

resource deadLetter 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(consumers)) {
  name: guid(account::blobService::deadLetters.id, topic.id, roleIds.storageBlobDataContributor)
  scope: account::blobService::deadLetters
  properties: {
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roleIds.storageBlobDataContributor
    )
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
  }
}

resource subscriptions 'Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15' = [
  for (consumer, i) in consumers: {
    parent: topic
    name: consumer
    dependsOn: [deliver, deadLetter]
    properties: {
      eventDeliverySchema: 'CloudEventSchemaV1_0'
      retryPolicy: { eventTimeToLiveInMinutes: 1440, maxDeliveryAttempts: 30 }
      deliveryWithResourceIdentity: {
        identity: { type: 'SystemAssigned' }
        destination: {
          endpointType: 'StorageQueue'
          properties: {
            resourceId: account.id
            queueName: consumerQueues[i].name
            queueMessageTimeToLiveInSeconds: 604800
          }
        }
      }
      deadLetterWithResourceIdentity: {
        identity: { type: 'SystemAssigned' }
        deadLetterDestination: {
          endpointType: 'StorageBlob'
          properties: { resourceId: account.id, blobContainerName: deadLetterContainer }
        }
      }
    }
  }
]

#disable-next-line use-recent-api-versions // no newer version has category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: topic
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}
