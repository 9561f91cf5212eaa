import { gpuProfileType, tagMap } from 'types.bicep'

@description('Required. Name of the Container Apps environment.')
param name string

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

@description('Optional. Subnet of an environment that the internet does not reach.')
param subnetId string?

@description('Required. Log Analytics workspace that gets the logs.')
param workspaceId string

@description('Required. Account that holds the NFS share "models"; empty for none.')
param modelShareAccount string

// A serverless GPU profile takes no minimumCount or maximumCount, a dedicated one needs both.
var machines = startsWith(gpuProfile, 'Consumption') ? {} : { minimumCount: minMachines, maximumCount: maxMachines }

resource managedEnvironment 'Microsoft.App/managedEnvironments@2026-01-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    // Through diagnostic settings: the direct way to the workspace wants its key.
    appLogsConfiguration: { destination: 'azure-monitor' }
    vnetConfiguration: empty(subnetId) ? null : { infrastructureSubnetId: subnetId, internal: true }
    workloadProfiles: [
      { name: 'Consumption', workloadProfileType: 'Consumption' }
      { name: 'gpu', workloadProfileType: gpuProfile, ...machines }
    ]
  }

  resource models 'storages' = if (!empty(modelShareAccount)) {
    name: 'models'
    properties: {
      nfsAzureFile: {
        server: '${modelShareAccount}.file.${environment().suffixes.storage}'
        shareName: '/${modelShareAccount}/models'
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

output id string = managedEnvironment.id
