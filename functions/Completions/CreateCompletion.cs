using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Batch.Jobs.Interactive;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Completions;

/// <summary>OpenAI's completion: continues a prompt, at once.</summary>
public sealed class CreateCompletion(CompletionEndpoint completions)
{
    [Function(nameof(CreateCompletion))]
    [Operation(
        "Continues a prompt at once, whole or as server-sent events", ApiScopes.Submit,
        Takes = RequestSchemas.Completion, Answers = typeof(TextCompletion), Streams = typeof(Chunk<TextChoice>), Refuses = [404])]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/completions")] HttpRequest request, CancellationToken cancellationToken) =>
        completions.RunAsync(request, InteractiveCompletions.TextEndpoint, cancellationToken);
}
