@export()
@sealed()
@description('Names of the resources; empty for what is not deployed.')
type resourceNames = {
  identity: string
  workspace: string
  appInsights: string
  storage: string
  registry: string
  topic: string
  vault: string
  network: string
  modelStorage: string
  environment: string
  app: string
  budget: string
}

@export()
@description('Names that are unique by their end.')
func namesFor(token string, has { network: bool, topic: bool, vault: bool, modelShare: bool }) resourceNames => {
  identity: 'id-${token}'
  workspace: 'log-${token}'
  appInsights: 'appi-${token}'
  storage: 'st${token}'
  registry: 'cr${token}'
  topic: has.topic ? 'evgt-${token}' : ''
  vault: has.vault ? 'kv-${token}' : ''
  network: has.network ? 'vnet-${token}' : ''
  modelStorage: has.modelShare ? 'stm${token}' : ''
  environment: 'cae-${token}'
  app: 'ca-worker-${token}'
  budget: 'budget-${token}'
}
