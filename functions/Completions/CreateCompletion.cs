using Batch.Jobs.Interactive;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Completions;

/// <summary>OpenAI's completion: continues a prompt, at once.</summary>
public sealed class CreateCompletion(CompletionEndpoint completions)
{
    [Function(nameof(CreateCompletion))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/completions")] HttpRequest request, CancellationToken cancellationToken) =>
        completions.RunAsync(request, InteractiveCompletions.TextEndpoint, cancellationToken);
}
