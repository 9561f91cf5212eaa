import { environmentVariable } from 'settings.bicep'

@export()
@description('Both images, the worker\'s and the placeholder, are Functions hosts that honour ASPNETCORE_URLS, so the port is the same for each; below 1024 it would need root.')
var port = 8080

@export()
@description('Probes of the worker: the placeholder has no such routes. Ten minutes to start, since the platform caps failureThreshold at 10.')
var probes = [
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

@export()
@description('What the Functions host, ASP.NET and the NVIDIA container runtime read.')
var hostVariables = [
  { name: 'ASPNETCORE_URLS', value: 'http://+:${port}' }
  { name: 'FUNCTIONS_EXTENSION_VERSION', value: '~4' }
  { name: 'FUNCTIONS_WORKER_RUNTIME', value: 'dotnet-isolated' }
  // On shutdown no invocation is cancelled: the worker saves what runs and hands it on.
  { name: 'FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING', value: 'true' }
  // A file of a batch may be 200 MB.
  { name: 'FUNCTIONS_REQUEST_BODY_SIZE_LIMIT', value: '211000000' }
  { name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' }
  { name: 'NVIDIA_DRIVER_CAPABILITIES', value: 'compute,utility' }
]

@export()
@description('The identity, where host, worker and Azure Monitor look for it; no key beside it, which would win.')
func identityVariables(clientId string, storageAccountName string) environmentVariable[] => [
  { name: 'AzureWebJobsStorage__accountName', value: storageAccountName }
  { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
  { name: 'AzureWebJobsStorage__clientId', value: clientId }
  { name: 'AZURE_CLIENT_ID', value: clientId }
  { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'ClientId=${clientId};Authorization=AAD' }
]
