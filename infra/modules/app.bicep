import { hostVariables, identityVariables, port, probes } from 'host.bicep'
import { resourceNames } from 'names.bicep'
import { replicaScale, scaleRules } from 'scale.bicep'
import { environmentVariable } from 'settings.bicep'
import { replicaResources, tagMap, vaultSecrets } from 'types.bicep'

@description('Required. Names of what is deployed; empty for what is not.')
param names resourceNames

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagMap

@description('Required. Container Apps environment, with a workload profile named gpu.')
param environmentId string

@description('Required. The app\'s identity.')
param identity { id: string, clientId: string }

@description('Required. Server of the registry that the identity pulls from.')
param registryServer string

@description('Required. Log Analytics workspace that gets the metrics; the environment sends the logs.')
param workspaceId string

@description('Required. Folder of the model inside the container, or its address in blobs.')
param modelPath string

@description('Required. Settings of the program.')
param settings environmentVariable[]

@description('Optional. Key Vault whose secrets the app gets.')
param secretsVault string?

@description('Required. Image to run; empty for the placeholder of a first deployment.')
param image string

@description('Required. What a replica takes of its profile.')
param resources replicaResources

@description('Required. Mount the environment\'s NFS storage "models" at /models.')
param mountModels bool

@description('Required. How many replicas there are, and what wakes them.')
param scale replicaScale

@description('Required. Whether callers outside the environment reach the HTTP API.')
param ingress 'external' | 'internal'

resource appInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: names.appInsights
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = if (!empty(names.topic)) {
  name: names.topic
}

var secrets = secretsVault == null ? {} : vaultSecrets

resource app 'Microsoft.App/containerApps@2026-01-01' = {
  name: names.app
  location: location
  tags: union(tags, { 'azd-service-name': 'worker' })
  kind: scale.rules == 'native' ? 'functionapp' : 'containerapps'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    environmentId: environmentId
    workloadProfileName: 'gpu'
    configuration: {
      // One storage account serves one active revision.
      activeRevisionsMode: 'Single'
      // Without ingress, events scale nothing.
      ingress: {
        external: ingress == 'external'
        targetPort: port
        transport: 'auto'
        allowInsecure: false
        traffic: [{ latestRevision: true, weight: 100 }]
      }
      registries: [{ server: registryServer, identity: identity.id }]
      secrets: [
        for secret in items(secrets): {
          name: secret.key
          keyVaultUrl: 'https://${secretsVault!}${environment().suffixes.keyvaultDns}/secrets/${secret.key}'
          identity: identity.id
        }
      ]
    }
    template: {
      terminationGracePeriodSeconds: 600
      containers: [
        {
          name: 'worker'
          image: empty(image) ? 'mcr.microsoft.com/k8se/quickstart-functions:latest' : image
          resources: {
            cpu: resources.cpu
            memory: '${resources.memoryGiB}Gi'
          }
          env: concat(
            hostVariables,
            identityVariables(identity.clientId, names.storage),
            [
              { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: appInsights.properties.ConnectionString }
              { name: 'Engine__ModelPath', value: modelPath }
            ],
            empty(names.topic) ? [] : [{ name: 'EventGrid__TopicEndpoint', value: topic!.properties.endpoint }],
            settings,
            map(items(secrets), secret => { name: secret.value, secretRef: secret.key })
          )
          probes: empty(image) ? [] : probes
          volumeMounts: mountModels ? [{ volumeName: 'models', mountPath: '/models' }] : []
        }
      ]
      volumes: mountModels ? [{ name: 'models', storageType: 'NfsAzureFile', storageName: 'models' }] : []
      scale: {
        minReplicas: scale.min
        maxReplicas: scale.max
        cooldownPeriod: 300
        pollingInterval: 30
        rules: scaleRules(scale, names.storage, identity.id)
      }
    }
  }
}

#disable-next-line use-recent-api-versions // no newer version has category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: app
  properties: {
    workspaceId: workspaceId
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output id string = app.id
output name string = app.name
output url string = 'https://${app.properties.configuration.ingress.fqdn}'
