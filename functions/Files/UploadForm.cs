using System.Text;
using Batch.Jobs.Access;
using Batch.Jobs.Files;
using Batch.Jobs.Requests;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Batch.Functions.Files;

/// <summary>Reads a multipart upload as it arrives, without holding it in memory.</summary>
internal static class UploadForm
{
    // Boundaries, headers and fields beside the file's bytes.
    private const long MostAround = 1024 * 1024;
    private const int LongestField = 4096;

    public static async Task<FileView> ReadAsync(HttpRequest request, FileIntake intake, Caller caller, CancellationToken cancellationToken)
    {
        AllowLength(request);
        var reader = new MultipartReader(BoundaryOf(request), request.Body);
        using var upload = intake.Begin(caller, ApiRequest.IdempotencyKey(request));
        try
        {
            while (await reader.ReadNextSectionAsync(cancellationToken) is { } section)
            {
                await ReadAsync(section, intake, upload, cancellationToken);
            }

            return await intake.FinishAsync(upload, cancellationToken);
        }
        catch (Exception e)
        {
            await intake.AbandonAsync(upload);
            throw e is InvalidDataException or IOException and not BadHttpRequestException
                ? new InvalidJobException(JobErrorCode.InvalidRequest, $"the upload is not valid multipart/form-data: {e.Message}")
                : e;
        }
    }

    private static async Task ReadAsync(MultipartSection section, FileIntake intake, FileUpload upload, CancellationToken cancellationToken)
    {
        var header = section.GetContentDispositionHeader()
            ?? throw new InvalidJobException(JobErrorCode.InvalidRequest, "a part of the upload has no Content-Disposition");
        var name = HeaderUtilities.RemoveQuotes(header.Name).ToString();
        if (name == "file")
        {
            var filename = HeaderUtilities.RemoveQuotes(header.FileNameStar.HasValue ? header.FileNameStar : header.FileName).ToString();
            await intake.AddContentAsync(upload, filename, section.Body, cancellationToken);
            return;
        }

        FileIntake.AddField(upload, name, await ReadFieldAsync(section.Body, name, cancellationToken));
    }

    private static async Task<string> ReadFieldAsync(Stream body, string name, CancellationToken cancellationToken)
    {
        var buffer = new byte[LongestField + 1];
        var length = await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
        return length <= LongestField
            ? Encoding.UTF8.GetString(buffer, 0, length)
            : throw new InvalidJobException(JobErrorCode.InvalidRequest, $"a field must be at most {LongestField} bytes, was longer", name);
    }

    private static string BoundaryOf(HttpRequest request) =>
        MediaTypeHeaderValue.TryParse(request.ContentType, out var type)
        && type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase)
        && HeaderUtilities.RemoveQuotes(type.Boundary) is { Length: > 0 and <= 200 } boundary
            ? boundary.ToString()
            : throw new InvalidJobException(
                JobErrorCode.InvalidRequest, $"an upload must be multipart/form-data with a boundary, was {request.ContentType ?? "of no type"}");

    // The server's own limit is lower, and its answer would not be in the shape that clients read.
    private static void AllowLength(HttpRequest request)
    {
        if (request.ContentLength > FileIntake.MaxBytes + MostAround)
        {
            throw new InvalidJobException(
                JobErrorCode.RequestTooLarge, $"a file must be at most {FileIntake.MaxBytes} bytes, the upload is of {request.ContentLength}", "file");
        }

        if (request.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = FileIntake.MaxBytes + MostAround;
        }
    }
}
