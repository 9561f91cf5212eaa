import { resourceNames } from 'names.bicep'
import { gpuProfileType, tagMap } from 'types.bicep'

@description('Required. Names of what is deployed; empty for what is not: with a network the environment is out of the internet\'s reach, with a model share it mounts it.')
param names resourceNames

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagMap

@description('Required. GPU workload profile.')
param gpuProfile gpuProfileType

@description('Required. Fewest machines of a dedicated GPU profile.')
param minMachines int

@description('Required. Most machines of a dedicated GPU profile.')
param maxMachines int

@description('Required. Size of the model share, where there is one.')
param modelShareGiB int

@description('Required. Log Analytics workspace that gets the logs.')
param workspaceId string

// A serverless GPU profile takes no minimumCount or maximumCount, a dedicated one needs both.
var machines = startsWith(gpuProfile, 'Consumption') ? {} : { minimumCount: minMachines, maximumCount: maxMachines }

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' existing = if (!empty(names.network)) {
  name: names.network

  resource apps 'subnets' existing = { name: 'apps' }
}

module modelShare 'modelshare.bicep' = if (!empty(names.modelStorage)) {
  params: { names: names, location: location, tags: tags, workspaceId: workspaceId, sizeGiB: modelShareGiB }
}

resource managedEnvironment 'Microsoft.App/managedEnvironments@2026-01-01' = {
  name: names.environment
  location: location
  tags: tags
  properties: {
    // Through diagnostic settings: the direct way to the workspace wants its key.
    appLogsConfiguration: { destination: 'azure-monitor' }
    vnetConfiguration: empty(names.network) ? null : { infrastructureSubnetId: network::apps.id, internal: true }
    workloadProfiles: [
      { name: 'Consumption', workloadProfileType: 'Consumption' }
      { name: 'gpu', workloadProfileType: gpuProfile, ...machines }
    ]
  }

  resource models 'storages' = if (!empty(names.modelStorage)) {
    name: 'models'
    dependsOn: [modelShare]
    properties: {
      nfsAzureFile: {
        server: '${names.modelStorage}.file.${environment().suffixes.storage}'
        shareName: '/${names.modelStorage}/models'
        accessMode: 'ReadOnly'
      }
    }
  }
}

#disable-next-line use-recent-api-versions // no newer version has category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: managedEnvironment
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

module dns 'environmentDns.bicep' = if (!empty(names.network)) {
  params: {
    #disable-next-line what-if-short-circuiting // Azure draws the domain when it makes the environment
    domain: managedEnvironment.properties.defaultDomain
    address: managedEnvironment.properties.staticIp
    tags: tags
    networkId: network.id
  }
}

output id string = managedEnvironment.id
