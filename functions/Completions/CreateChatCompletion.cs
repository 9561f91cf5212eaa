using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Batch.Jobs.Interactive;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Completions;

/// <summary>OpenAI's chat completion: answers messages, at once.</summary>
public sealed class CreateChatCompletion(CompletionEndpoint completions)
{
    [Function(nameof(CreateChatCompletion))]
    [Operation(
        "Answers messages at once, whole or as server-sent events", ApiScopes.Submit,
        Takes = RequestSchemas.ChatCompletion, Answers = typeof(ChatCompletion), Streams = typeof(Chunk<ChatPiece>), Refuses = [404])]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/chat/completions")] HttpRequest request, CancellationToken cancellationToken) =>
        completions.RunAsync(request, InteractiveCompletions.ChatEndpoint, cancellationToken);
}
