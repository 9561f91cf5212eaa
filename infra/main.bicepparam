using 'main.bicep'

// azd sets these variables; the defaults serve lint, build and snapshots.
param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'dev')
param location = readEnvironmentVariable('AZURE_LOCATION', 'swedencentral')
param operatorPrincipalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param ingress = 'external'
param workerImage = readEnvironmentVariable('SERVICE_WORKER_IMAGE_NAME', '')
