import { engineSettings, queues, replicaResources, tagMap, vaultSecrets } from 'types.bicep'

@description('Required. Name of the app.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagMap

@description('Required. Container Apps environment, with a workload profile named gpu.')
param environmentId string

@description('Required. Resource id of the app\'s identity.')
param identityId string

@description('Required. Client id of the app\'s identity.')
param identityClientId string

@description('Required. Server of the registry that the identity pulls from.')
param registryServer string

@description('Required. Name of the Application Insights component.')
param appInsightsName string

@description('Required. Name of the storage account.')
param storageAccountName string

@description('Required. Event Grid topic that gets the events; empty for none.')
param topicEndpoint string

@description('Required. Days for which jobs, batches and files are kept after their end.')
param retentionDays int

@description('Required. Image to run; empty for the placeholder of a first deployment.')
param image string

@description('Required. What a replica takes of its profile.')
param resources replicaResources

@description('Optional. Key Vault whose secrets the app gets.')
param secretsVault string?

@description('Required. What the engine loads, and how.')
param engine engineSettings

@description('Required. Mount the environment\'s NFS storage "models" at /models.')
param mountModels bool

@description('Required. Who makes the scale rules: the platform (native) or this template (explicit).')
param scaling 'native' | 'explicit'

@description('Required. Jobs that one replica works on at once.')
param jobsPerReplica int

@description('Required. Replicas that always run.')
param minReplicas int

@description('Required. Most replicas.')
param maxReplicas int

@description('Required. Whether callers outside the environment reach the HTTP API.')
param ingress 'external' | 'internal'

resource appInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: appInsightsName
}

// Both images are Functions hosts that honour ASPNETCORE_URLS, so the port is the same for each; below 1024 it would need root.
var port = 8080

// The placeholder has no such routes. Ten minutes to start: the platform caps failureThreshold at 10.
var probes = empty(image)
  ? []
  : [
      {
        type: 'Startup'
        httpGet: { path: '/health/live', port: port }
        periodSeconds: 60
        timeoutSeconds: 10
        failureThreshold: 10
      }
      {
        type: 'Liveness'
        httpGet: { path: '/health/live', port: port }
        periodSeconds: 30
        timeoutSeconds: 10
        failureThreshold: 5
      }
      {
        type: 'Readiness'
        httpGet: { path: '/health/ready', port: port }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      }
    ]

// Native rules cover every trigger. Explicit ones name the queues that must wake a replica.
var queueRules = scaling == 'native'
  ? {}
  : {
      jobs: { queue: queues.jobs, length: jobsPerReplica }
      lines: { queue: queues.lines, length: jobsPerReplica }
      dispatch: { queue: queues.dispatch, length: 100 }
      webhooks: { queue: queues.webhooks, length: 100 }
    }

var settings = [
  { name: 'ASPNETCORE_URLS', value: 'http://+:${port}' }
  { name: 'FUNCTIONS_EXTENSION_VERSION', value: '~4' }
  { name: 'FUNCTIONS_WORKER_RUNTIME', value: 'dotnet-isolated' }
  // A file of a batch may be 200 MB.
  { name: 'FUNCTIONS_REQUEST_BODY_SIZE_LIMIT', value: '211000000' }
  { name: 'AzureWebJobsStorage__accountName', value: storageAccountName }
  { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
  { name: 'AzureWebJobsStorage__clientId', value: identityClientId }
  { name: 'AZURE_CLIENT_ID', value: identityClientId }
  { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: appInsights.properties.ConnectionString }
  {
    name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
    value: 'ClientId=${identityClientId};Authorization=AAD'
  }
  { name: 'Engine__ModelPath', value: engine.modelPath }
  { name: 'Engine__Device', value: engine.device }
  { name: 'Engine__DType', value: engine.dtype }
  { name: 'Engine__StreamWeights', value: string(engine.streamWeights) }
  { name: 'Engine__MaxSequences', value: string(jobsPerReplica) }
  // Enough slices that every replica has work, and half as much again so that none waits for the dispatcher.
  { name: 'Batches__Window', value: string(min(4096, max(96, maxReplicas * jobsPerReplica * 3 / 2))) }
  { name: 'Retention__Days', value: string(retentionDays) }
  { name: 'EventGrid__TopicEndpoint', value: topicEndpoint }
  { name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' }
  { name: 'NVIDIA_DRIVER_CAPABILITIES', value: 'compute,utility' }
]

var secrets = secretsVault == null ? {} : vaultSecrets

resource app 'Microsoft.App/containerApps@2026-01-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'worker' })
  kind: scaling == 'native' ? 'functionapp' : 'containerapps'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
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
      registries: [{ server: registryServer, identity: identityId }]
      secrets: [
        for secret in items(secrets): {
          name: secret.key
          keyVaultUrl: 'https://${secretsVault!}${environment().suffixes.keyvaultDns}/secrets/${secret.key}'
          identity: identityId
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
          env: concat(settings, map(items(secrets), secret => { name: secret.value, secretRef: secret.key }))
          probes: probes
          volumeMounts: mountModels ? [{ volumeName: 'models', mountPath: '/models' }] : []
        }
      ]
      volumes: mountModels ? [{ name: 'models', storageType: 'NfsAzureFile', storageName: 'models' }] : []
      scale: {
        minReplicas: minReplicas
        maxReplicas: maxReplicas
        cooldownPeriod: 300
        pollingInterval: 30
        rules: [
          for rule in items(queueRules): {
            name: rule.key
            azureQueue: {
              accountName: storageAccountName
              queueName: rule.value.queue
              queueLength: rule.value.length
              identity: identityId
            }
          }
        ]
      }
    }
  }
}

output id string = app.id
output name string = app.name
output url string = 'https://${app.properties.configuration.ingress.fqdn}'
