# syntax=docker/dockerfile:1
# The worker for Azure Container Apps: Functions host, CUDA, default model. amd64 only, as the base is.
#   docker build -t batch-worker .

FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source
COPY . .
# One step, since the CUDA packages are put together from parts inside the package folder at the first build:
# a layer of restored packages would hold them twice. The folder is a cache mount and in no layer at all.
RUN --mount=type=cache,id=batch-nuget,target=/root/.nuget/packages,sharing=locked \
    dotnet publish functions/Batch.Functions.csproj --configuration Release --runtime linux-x64 --no-self-contained \
      -p:FunctionsHost=Azure -p:Accelerator=cuda --output /publish/app
# Native libraries change with TorchSharp alone, so they get a layer of their own, with times that do not depend on the build.
RUN mkdir /publish/native \
    && cd /publish/app \
    && rm -f libtorch_python.so libnnapi_backend.so libbackend_with_compiler.so libaoti_custom_ops.so ./*_test.so \
    && find . -maxdepth 1 -name '*.so*' -size +1M -exec mv -t /publish/native {} + \
    && find /publish/native -type f -exec touch --date=@0 {} +

FROM mcr.microsoft.com/azure-functions/dotnet-isolated:4-dotnet-isolated10.0 AS worker
ENV AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true \
    ASPNETCORE_URLS=http://+:8080 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    Engine__ModelPath=/opt/models/draft-5m
# The host keeps its state below its own folder and below /home. APP_UID is the base's unprivileged user.
RUN chown -R $APP_UID /azure-functions-host /home
COPY --from=build /publish/native/ /home/site/wwwroot/
COPY models/ /opt/models/
COPY --from=build /publish/app/ /home/site/wwwroot/
USER $APP_UID
EXPOSE 8080
# The host itself, not the base's start script: a shell as the first process would not pass SIGTERM on.
CMD ["/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"]
