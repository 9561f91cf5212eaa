@export()
@description('A number that may have decimals, as text: \'0.85\'.')
type decimal = string

@export()
@description('Type of the weights; auto takes bfloat16 where the GPU has it, else float16.')
type weightsType = 'auto' | 'float32' | 'bfloat16' | 'float16'

@export()
@sealed()
@description('Settings of an engine: section Engine, and each model of section Models.')
type engineSettings = {
  @description('Folder of the model inside the container, or its address in blobs.')
  @minLength(1)
  ModelPath: string?

  @description('Name that jobs ask for; by default the folder\'s name.')
  ModelName: string?

  @description('Folder on the replica\'s disk to which a model in blobs is fetched.')
  @minLength(1)
  ModelCache: string?

  @description('Read the weights of a model in blobs straight to the device, past the disk.')
  StreamWeights: bool?

  @description('auto, cpu, cuda, cuda:N; several with commas, or cuda:*, hold the model once each, with + between together.')
  Device: string?

  @description('Type of the weights.')
  DType: weightsType?

  @description('int8 rounds matrices to 8 bits at load, on a CPU.')
  WeightDType: 'auto' | 'int8'?

  @description('CPU threads; 0 leaves the choice to libtorch.')
  @minValue(0)
  @maxValue(1024)
  Threads: int?

  @description('Most sequences in a step.')
  @minValue(1)
  @maxValue(1024)
  MaxSequences: int?

  @description('Token budget of a step.')
  @minValue(16)
  @maxValue(65536)
  MaxBatchedTokens: int?

  @description('Most tokens of prompt and text together; 0 takes the model\'s own limit.')
  @minValue(0)
  @maxValue(1048576)
  MaxContextLength: int?

  @description('Tokens that one block of the key-value cache holds.')
  @minValue(1)
  @maxValue(256)
  BlockSize: int?

  @description('Tokens of the key-value cache; 0 takes what the GPU has free.')
  @minValue(0)
  @maxValue(67108864)
  CacheTokens: int?

  @description('How much of a GPU\'s memory weights, steps and cache may take together, 0.1 to 1.')
  GpuMemoryUtilization: decimal?

  @description('Compute what prompts begin alike with once.')
  PrefixCaching: bool?

  @description('Most tokens that are guessed at once from what the text repeats; 0 for none.')
  @minValue(0)
  @maxValue(64)
  PromptLookupTokens: int?

  @description('Longest run of last tokens that guesses look for.')
  @minValue(2)
  @maxValue(16)
  PromptLookupMaxNgram: int?
}
