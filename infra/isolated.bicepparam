using 'main.bicep'

// An example of the closed form: private endpoints, A100, models on a share, explicit scaling, events fanned out, a budget.
param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'prod')
param location = readEnvironmentVariable('AZURE_LOCATION', 'swedencentral')
param operatorPrincipalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param workerImage = readEnvironmentVariable('SERVICE_WORKER_IMAGE_NAME', 'registry.example.com/batch/worker:1')
param gpuProfile = 'Consumption-GPU-NC24-A100'
param minReplicas = 1
param scaling = 'explicit'
param isolateNetwork = true
param networkAddresses = '10.60.0.0/20' // free in the networks that it is peered with
param ingress = 'external' // from the virtual network, which the environment does not leave
param modelShareGiB = 256
param modelPath = '/models/my-model'
param keyVault = true
param webhookSecrets = true
param eventGrid = true
param eventConsumers = ['archive']
param alertEmails = ['ops@example.com']
param monthlyBudget = 4000
param budgetStartDate = '2026-12-01'
