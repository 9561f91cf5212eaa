targetScope = 'subscription'

import {
  checkAddresses
  checkConsumers
  checkDevice
  checkDType
  checkModelShare
  checkReplicas
  checkResources
  checkSettings
  checkStartDate
} from 'modules/checks.bicep'
import { weightsType } from 'modules/engineSettings.bicep'
import { namesFor } from 'modules/names.bicep'
import { appSettings, decidedSettings, environmentVariables } from 'modules/settings.bicep'
import { consumerName, gpuProfileType, modelsContainer, redundancyType } from 'modules/types.bicep'

@description('Required. Name of the azd environment; part of the resource group\'s name and the seed of every other name.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Required. Region. It must offer the GPU profile.')
param location string

@description('Optional. Image of the worker. Empty deploys a placeholder until the first image has been pushed.')
param workerImage string = ''

@description('Optional. GPUs of a replica: a whole T4 or A100, billed by the second, or a dedicated machine of one, two or four A100.')
param gpuProfile gpuProfileType = 'Consumption-GPU-NC8as-T4'

@description('Optional. vCPUs of a replica, billed beside its GPU; 0 takes all that the profile has.')
@minValue(0)
@maxValue(88)
param replicaCpu int = 0

@description('Optional. GiB of memory of a replica, billed beside its GPU; 0 takes all that the profile has.')
@minValue(0)
@maxValue(800)
param replicaMemoryGiB int = 0

@description('Optional. Replicas that always run. 0 costs nothing while idle; 1 saves the cold start and keeps timers firing.')
@minValue(0)
@maxValue(10)
param minReplicas int = 0

@description('Optional. Most replicas, and so most GPUs paid for at once.')
@minValue(1)
@maxValue(100)
param maxReplicas int = 3

@description('Optional. Replicas that the subscription\'s GPU quota in the region allows; 0 where it is not known.')
@minValue(0)
param replicaQuota int = 0

@description('Optional. How queues drive replicas: rules that the platform derives from the triggers (native), or KEDA rules in the template (explicit).')
param scaling 'native' | 'explicit' = 'native'

@description('Optional. Who reaches the HTTP API: callers outside the environment (the internet, or the virtual network with isolateNetwork), or only apps inside it.')
param ingress 'external' | 'internal' = 'internal'

@description('Optional. Folder of the model inside the container. The image carries the default; /models is the model share.')
param modelPath string = '/opt/models/draft-5m'

@description('Optional. Folder in the container models of the storage account from which each replica reads its model at start, instead of modelPath. Weights go from there straight to the GPU: a replica\'s disk holds 8 GiB.')
param modelBlob string = ''

@description('Optional. Device of the engine. With cuda a replica without a GPU fails at start instead of being slow; cuda:* holds the model once on each GPU of a replica, names with + between spread it over them.')
param device 'auto' | 'cpu' | 'cuda' | 'cuda:*' | 'cuda:0+cuda:1' | 'cuda:0+cuda:1+cuda:2+cuda:3' = 'cuda'

@description('Optional. Weights\' type; auto takes bfloat16 where the GPU has it, else float16.')
param dtype weightsType = 'auto'

@description('Optional. Days for which jobs, batches and files are kept after their end, and what was written into outputs after its last change.')
@minValue(1)
@maxValue(3650)
param retentionDays int = 30

@description('Optional. Copies that the storage account keeps; a region without availability zones has no ZRS.')
param storageRedundancy redundancyType = 'ZRS'

@description('Optional. Settings of the program that no other parameter decides, such as { Engine: { CacheTokens: 200000 } }; what is left out has its default.')
param settings appSettings = {}

@description('Optional. Also make an Event Grid topic for the events.')
param eventGrid bool = false

@description('Optional. Consumers of the topic: each gets a queue batch-events-<name>. Needs eventGrid.')
param eventConsumers consumerName[] = []

@description('Optional. Also make a Key Vault for the secrets webhooks-secret and webhooks-encryption-key.')
param keyVault bool = false

@description('Optional. Give both secrets to the app; they must be in the vault by then. Needs keyVault.')
param webhookSecrets bool = false

@description('Optional. Put everything into a virtual network, behind private endpoints.')
param isolateNetwork bool = false

@description('Optional. Addresses of the virtual network, a /22 or more, free in whatever it shall be peered with.')
param networkAddresses string = '10.40.0.0/16'

@description('Optional. Size of an NFS share for models, mounted at /models: at least 100, or 0 for none. Needs isolateNetwork.')
@minValue(0)
@maxValue(102400)
param modelShareGiB int = 0

@description('Optional. Object id of the person or group who may read and write the jobs\' data with tools; keys are off, so owning the account is not enough.')
param operatorPrincipalId string = ''

@description('Optional. What operatorPrincipalId is.')
param operatorPrincipalType 'User' | 'Group' | 'ServicePrincipal' = 'User'

@description('Optional. Addresses that get alerts.')
param alertEmails string[] = []

@description('Optional. Minutes that the first message of a queue may wait before an alert.')
@minValue(5)
param oldestMessageMinutes int = 60

@description('Optional. Monthly budget in the subscription\'s currency; 0 for none. A budget warns, it does not stop.')
@minValue(0)
param monthlyBudget int = 0

@description('Optional. First day of the month in which the budget starts, yyyy-MM-01. Azure takes no month before the present one.')
param budgetStartDate string = ''

var tags = { 'azd-env-name': environmentName }
var token = toLower(uniqueString(subscription().id, environmentName, location))
var hasModelShare = checkModelShare(modelShareGiB, isolateNetwork, modelPath, modelBlob)
var names = namesFor(token, { network: isolateNetwork, topic: eventGrid, vault: keyVault, modelShare: hasModelShare })
var publicNetworkAccess = isolateNetwork ? 'Disabled' : 'Enabled'
var consumers = checkConsumers(eventConsumers, eventGrid)
var replicas = checkReplicas(minReplicas, maxReplicas, replicaQuota)
var queueOptions = loadJsonContent('../host.json', 'extensions.queues')
var jobsPerReplica = queueOptions.batchSize + queueOptions.newBatchThreshold
var decided decidedSettings = {
  Engine: {
    ModelCache: '/tmp/batch-models'
    StreamWeights: !empty(modelBlob)
    Device: checkDevice(device, gpuProfile)
    DType: checkDType(dtype, gpuProfile)
    MaxSequences: jobsPerReplica
  }
  // Enough slices that every replica has work, and half as much again so that none waits for the dispatcher.
  Batches: { Window: min(4096, max(96, maxReplicas * jobsPerReplica * 3 / 2)) }
  Retention: { Days: retentionDays }
}

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: { name: names.identity, location: location, tags: tags }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    workspaceName: names.workspace
    appInsightsName: names.appInsights
    location: location
    tags: tags
  }
}

module network 'modules/network.bicep' = if (isolateNetwork) {
  scope: group
  params: {
    name: names.network
    location: location
    tags: tags
    addresses: checkAddresses(networkAddresses)
    workspaceId: monitoring.outputs.workspaceId
  }
}

module storage 'modules/storage.bicep' = {
  scope: group
  params: {
    name: names.storage
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    retentionDays: retentionDays
    redundancy: storageRedundancy
    isolateNetwork: isolateNetwork
  }
}

module registry 'modules/registry.bicep' = {
  scope: group
  params: {
    name: names.registry
    location: location
    tags: tags
    publicNetworkAccess: publicNetworkAccess
    workspaceId: monitoring.outputs.workspaceId
  }
}

module topic 'modules/eventgrid.bicep' = if (eventGrid) {
  scope: group
  dependsOn: [storage]
  params: {
    name: names.topic
    location: location
    tags: tags
    storageAccountName: names.storage
    consumers: consumers
    workspaceId: monitoring.outputs.workspaceId
    publicNetworkAccess: publicNetworkAccess
  }
}

module vault 'modules/keyvault.bicep' = if (keyVault) {
  scope: group
  params: {
    name: names.vault
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    publicNetworkAccess: publicNetworkAccess
  }
}

module roles 'modules/roles.bicep' = {
  scope: group
  dependsOn: [identity, monitoring, storage, registry, topic, vault]
  params: {
    names: names
    operatorPrincipalId: operatorPrincipalId
    operatorPrincipalType: operatorPrincipalType
  }
}

module privateLinks 'modules/privateLinks.bicep' = if (isolateNetwork) {
  scope: group
  dependsOn: [network, storage, registry, topic, vault]
  params: {
    location: location
    tags: tags
    token: token
    names: names
  }
}

module appsEnvironment 'modules/environment.bicep' = {
  scope: group
  dependsOn: [network]
  params: {
    names: names
    location: location
    tags: tags
    gpuProfile: gpuProfile
    minMachines: minReplicas
    maxMachines: maxReplicas
    modelShareGiB: modelShareGiB
    workspaceId: monitoring.outputs.workspaceId
  }
}

module app 'modules/app.bicep' = {
  scope: group
  dependsOn: [roles, privateLinks]
  params: {
    names: names
    location: location
    tags: tags
    environmentId: appsEnvironment.outputs.id
    identity: { id: identity.outputs.id, clientId: identity.outputs.clientId }
    registryServer: registry.outputs.loginServer
    workspaceId: monitoring.outputs.workspaceId
    modelPath: empty(modelBlob)
      ? modelPath
      : 'https://${names.storage}.blob.${environment().suffixes.storage}/${modelsContainer}/${modelBlob}'
    settings: environmentVariables(
      checkSettings(settings, decided, ingress == 'external' && !isolateNetwork, isolateNetwork),
      decided
    )
    secretsVault: !webhookSecrets ? null : keyVault ? names.vault : fail('webhookSecrets needs keyVault')
    image: workerImage
    resources: checkResources(gpuProfile, replicaCpu, replicaMemoryGiB)
    mountModels: hasModelShare
    scale: { rules: scaling, jobsPerReplica: jobsPerReplica, ...replicas }
    ingress: ingress
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  params: {
    appId: app.outputs.id
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    queueServiceId: storage.outputs.queueServiceId
    topicName: names.topic
    oldestMessageMinutes: oldestMessageMinutes
    emails: alertEmails
  }
}

module budget 'modules/budget.bicep' = if (monthlyBudget > 0) {
  scope: group
  params: {
    name: names.budget
    amount: monthlyBudget
    startDate: checkStartDate(budgetStartDate)
    actionGroupId: alerts.outputs.actionGroupId
    emails: alertEmails
  }
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.outputs.loginServer
output AZURE_STORAGE_ACCOUNT_NAME string = names.storage
output AZURE_KEY_VAULT_NAME string = names.vault
output WORKER_IDENTITY_CLIENT_ID string = identity.outputs.clientId
output WORKER_APP_NAME string = app.outputs.name
output WORKER_URL string = app.outputs.url
