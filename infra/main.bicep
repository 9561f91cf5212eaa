targetScope = 'subscription'

import { gpuProfiles, gpuProfileType, modelsContainer } from 'modules/types.bicep'

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

@description('Optional. Jobs that one replica works on at once: batchSize + newBatchThreshold of host.json.')
@minValue(1)
@maxValue(64)
param jobsPerReplica int = 32

@description('Optional. Who reaches the HTTP API: callers outside the environment (the internet, or the virtual network with isolateNetwork), or only apps inside it.')
param ingress 'external' | 'internal' = 'internal'

@description('Optional. Folder of the model inside the container. The image carries the default; /models is the model share.')
param modelPath string = '/opt/models/draft-5m'

@description('Optional. Folder in the container models of the storage account from which each replica reads its model at start, instead of modelPath. Weights go from there straight to the GPU: a replica\'s disk holds 8 GiB.')
param modelBlob string = ''

@description('Optional. Device of the engine. With cuda a replica without a GPU fails at start instead of being slow; cuda:* holds the model once on each GPU of a replica, names with + between spread it over them.')
param device 'auto' | 'cpu' | 'cuda' | 'cuda:*' | 'cuda:0+cuda:1' | 'cuda:0+cuda:1+cuda:2+cuda:3' = 'cuda'

@description('Optional. Weights\' type; auto takes bfloat16 where the GPU has it, else float16.')
param dtype 'auto' | 'float32' | 'bfloat16' | 'float16' = 'auto'

@description('Optional. Days for which jobs, batches and files are kept after their end, and what was written into outputs after its last change.')
@minValue(1)
@maxValue(3650)
param retentionDays int = 30

@description('Optional. Also make an Event Grid topic for the events.')
param eventGrid bool = false

@description('Optional. Consumers of the topic: each gets a queue batch-events-<name>. Needs eventGrid.')
param eventConsumers string[] = []

@description('Optional. Also make a Key Vault for the secrets webhooks-secret and webhooks-encryption-key.')
param keyVault bool = false

@description('Optional. Give both secrets to the app; they must be in the vault by then. Needs keyVault.')
param webhookSecrets bool = false

@description('Optional. Put everything into a virtual network, behind private endpoints.')
param isolateNetwork bool = false

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
var identityName = 'id-${token}'
var storageName = 'st${token}'
var registryName = 'cr${token}'
var appInsightsName = 'appi-${token}'
var topicName = 'evgt-${token}'
var modelStorageName = 'stm${token}'
var vaultName = 'kv-${token}'
var publicNetworkAccess = isolateNetwork ? 'Disabled' : 'Enabled'
var hasModelShare = modelShareGiB == 0
  ? false
  : modelShareGiB < 100
      ? fail('modelShareGiB is less than 100, the smallest NFS share')
      : isolateNetwork ? true : fail('modelShareGiB needs isolateNetwork: NFS has no keys, the network guards it')
var weightsType = dtype == 'bfloat16' && contains(gpuProfile, 'T4')
  ? fail('dtype bfloat16 needs an A100: a T4 computes it in software; take float16 or auto')
  : dtype
var gpus = gpuProfiles[gpuProfile].gpus
var devices = device == 'cuda' && gpus > 1
  ? fail('device cuda uses one GPU of the several that gpuProfile has: take cuda:*, or name all of them with + between')
  : contains(device, '+') && length(split(device, '+')) != gpus
      ? fail('device must name as many GPUs as gpuProfile has')
      : device
var cpu = replicaCpu <= gpuProfiles[gpuProfile].cpu
  ? replicaCpu == 0 ? gpuProfiles[gpuProfile].cpu : replicaCpu
  : fail('replicaCpu is more than gpuProfile has')
var memoryGiB = replicaMemoryGiB <= gpuProfiles[gpuProfile].memoryGiB
  ? replicaMemoryGiB == 0 ? gpuProfiles[gpuProfile].memoryGiB : replicaMemoryGiB
  : fail('replicaMemoryGiB is more than gpuProfile has')
var mostReplicas = replicaQuota == 0 || maxReplicas <= replicaQuota
  ? maxReplicas
  : fail('maxReplicas is greater than replicaQuota: replicas beyond the quota never start')
var engineModel = empty(modelBlob)
  ? modelPath
  : hasModelShare
      ? fail('modelBlob and modelShareGiB exclude each other: with a share the model is modelPath, below /models')
      : 'https://${storageName}.blob.${environment().suffixes.storage}/${modelsContainer}/${modelBlob}'
var consumers = empty(eventConsumers) || eventGrid ? eventConsumers : fail('eventConsumers needs eventGrid')

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: { name: identityName, location: location, tags: tags }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    workspaceName: 'log-${token}'
    appInsightsName: appInsightsName
    location: location
    tags: tags
  }
}

module network 'modules/network.bicep' = if (isolateNetwork) {
  scope: group
  params: { name: 'vnet-${token}', location: location, tags: tags }
}

module storage 'modules/storage.bicep' = {
  scope: group
  params: {
    name: storageName
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    retentionDays: retentionDays
    isolateNetwork: isolateNetwork
  }
}

module registry 'modules/registry.bicep' = {
  scope: group
  params: {
    name: registryName
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
    name: topicName
    location: location
    tags: tags
    storageAccountName: storageName
    consumers: consumers
    workspaceId: monitoring.outputs.workspaceId
    publicNetworkAccess: publicNetworkAccess
  }
}

module vault 'modules/keyvault.bicep' = if (keyVault) {
  scope: group
  params: {
    name: vaultName
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
    identityName: identityName
    storageAccountName: storageName
    registryName: registryName
    appInsightsName: appInsightsName
    topicName: eventGrid ? topicName : null
    vaultName: keyVault ? vaultName : null
    operatorPrincipalId: operatorPrincipalId
    operatorPrincipalType: operatorPrincipalType
  }
}

module privateLinks 'modules/privateLinks.bicep' = if (isolateNetwork) {
  scope: group
  dependsOn: [storage, registry, topic, vault]
  params: {
    location: location
    tags: tags
    token: token
    networkId: network!.outputs.id
    subnetId: network!.outputs.endpointsSubnetId
    storageAccountName: storageName
    registryName: registryName
    topicName: eventGrid ? topicName : null
    vaultName: keyVault ? vaultName : null
  }
}

module modelShare 'modules/modelshare.bicep' = if (hasModelShare) {
  scope: group
  params: {
    name: modelStorageName
    location: location
    tags: tags
    appsSubnetId: network!.outputs.appsSubnetId
    sizeGiB: modelShareGiB
  }
}

module appsEnvironment 'modules/environment.bicep' = {
  scope: group
  dependsOn: [modelShare]
  params: {
    name: 'cae-${token}'
    location: location
    tags: tags
    gpuProfile: gpuProfile
    minMachines: minReplicas
    maxMachines: maxReplicas
    subnetId: network.?outputs.appsSubnetId
    workspaceId: monitoring.outputs.workspaceId
    modelShareAccount: hasModelShare ? modelStorageName : null
  }
}

module app 'modules/app.bicep' = {
  scope: group
  dependsOn: [roles, privateLinks]
  params: {
    name: 'ca-worker-${token}'
    location: location
    tags: tags
    environmentId: appsEnvironment.outputs.id
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    registryServer: registry.outputs.loginServer
    appInsightsName: appInsightsName
    storageAccountName: storageName
    topicEndpoint: topic.?outputs.endpoint ?? ''
    retentionDays: retentionDays
    image: workerImage
    resources: { cpu: cpu, memoryGiB: memoryGiB }
    secretsVault: !webhookSecrets ? null : keyVault ? vaultName : fail('webhookSecrets needs keyVault')
    engine: { modelPath: engineModel, device: devices, dtype: weightsType, streamWeights: !empty(modelBlob) }
    mountModels: hasModelShare
    scaling: scaling
    jobsPerReplica: jobsPerReplica
    minReplicas: minReplicas <= maxReplicas ? minReplicas : fail('minReplicas is greater than maxReplicas')
    maxReplicas: mostReplicas
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
    topicName: eventGrid ? topicName : null
    oldestMessageMinutes: oldestMessageMinutes
    emails: alertEmails
  }
}

module budget 'modules/budget.bicep' = if (monthlyBudget > 0) {
  scope: group
  params: {
    name: 'budget-${token}'
    amount: monthlyBudget
    startDate: empty(budgetStartDate) ? fail('monthlyBudget needs budgetStartDate') : budgetStartDate
    actionGroupId: alerts.outputs.actionGroupId
    emails: alertEmails
  }
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.outputs.loginServer
output AZURE_STORAGE_ACCOUNT_NAME string = storageName
output AZURE_KEY_VAULT_NAME string = keyVault ? vaultName : ''
output WORKER_IDENTITY_CLIENT_ID string = identity.outputs.clientId
output WORKER_APP_NAME string = app.outputs.name
output WORKER_URL string = app.outputs.url
