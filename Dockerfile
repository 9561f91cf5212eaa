# syntax=docker/dockerfile:1
# The worker for Azure Container Apps and Kubernetes: Functions host, CUDA, a model. amd64 only, as the base is.
#   docker build -t batch-worker .                                          for an NVIDIA GPU
#   docker build -t batch-worker:cpu --build-arg ACCELERATOR=cpu .          without one
#   docker build --build-context model=/models/Llama-3.2-1B --build-arg MODEL_NAME=Llama-3.2-1B …   with another model baked in
#   docker build -t batch-dev --target dev .                                for interactive work: SSH and notebooks
# Bases are pinned by digest where the two arguments give one: --build-arg WORKER_DIGEST=@sha256:…
# The image lists its packages in /opt/sbom; `docker buildx build --sbom=true --provenance=mode=max` attests to them, and to those of the bases, in the registry.

ARG SDK_DIGEST=""
ARG WORKER_DIGEST=""

FROM mcr.microsoft.com/dotnet/sdk:10.0${SDK_DIGEST} AS build
# --sbom=true then looks into this stage too.
ARG BUILDKIT_SBOM_SCAN_STAGE=true
ARG ACCELERATOR=cuda
WORKDIR /source
COPY . .
# One step, since the CUDA packages are put together from parts inside the package folder at the first build:
# a layer of restored packages would hold them twice. The folder is a cache mount and in no layer at all.
RUN --mount=type=cache,id=batch-nuget,target=/root/.nuget/packages,sharing=locked \
    dotnet publish functions/Batch.Functions.csproj --configuration Release --runtime linux-x64 --no-self-contained \
      -p:FunctionsHost=Azure -p:Accelerator=${ACCELERATOR} --output /publish/app
# Native libraries change with TorchSharp alone, so they get a layer of their own, with times that do not depend on the build.
RUN mkdir /publish/native \
    && cd /publish/app \
    && rm -f libtorch_python.so libnnapi_backend.so libbackend_with_compiler.so libaoti_custom_ops.so ./*_test.so \
    && find . -maxdepth 1 -name '*.so*' -size +1M -exec mv -t /publish/native {} + \
    && find /publish/native -type f -exec touch --date=@0 {} +

# What is published, as CycloneDX: the worker's packages, and those of the extensions that the host itself loads. A list without them ends the build.
FROM build AS sbom
ARG VERSION=0.0.0
RUN --mount=type=cache,id=batch-nuget,target=/root/.nuget/packages,sharing=locked \
    dotnet tool restore \
    && list() { dotnet CycloneDX "$1" --disable-package-restore --spec-version 1.6 --output-format Json --output /sbom --filename "$2.cdx.json" --set-name "$2" --set-version "$VERSION" \
         && grep -q "pkg:nuget/$3@" "/sbom/$2.cdx.json"; } \
    && list functions/Batch.Functions.csproj batch-worker TorchSharp \
    && list "$(find functions/obj/Release -name WorkerExtensions.csproj)" batch-worker-extensions Microsoft.Azure.WebJobs.Extensions.Storage.Queues

# Replaced by --build-context model=FOLDER.
FROM scratch AS model
COPY models/draft-5m/ /

FROM mcr.microsoft.com/azure-functions/dotnet-isolated:4-dotnet-isolated10.0${WORKER_DIGEST} AS worker
ARG WORKER_DIGEST
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG MODEL_NAME=draft-5m
LABEL org.opencontainers.image.title="Batch worker" \
      org.opencontainers.image.description="Queue-driven text generation on Azure Functions" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="mcr.microsoft.com/azure-functions/dotnet-isolated:4-dotnet-isolated10.0${WORKER_DIGEST}" \
      batch.sbom="/opt/sbom/batch-worker.cdx.json /opt/sbom/batch-worker-extensions.cdx.json"
# As the template sets them: files of 200 MB, and on shutdown no invocation is cancelled, since the worker saves what runs and hands it on.
ENV AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true \
    ASPNETCORE_URLS=http://+:8080 \
    FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=211000000 \
    FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING=true \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    Engine__ModelPath=/opt/models/${MODEL_NAME}
# The host keeps its state below its own folder and below /home. APP_UID is the base's unprivileged user.
RUN chown -R $APP_UID /azure-functions-host /home
COPY --from=build /publish/native/ /home/site/wwwroot/
COPY --from=model / /opt/models/${MODEL_NAME}/
COPY --from=build /publish/app/ /home/site/wwwroot/
COPY --from=sbom /sbom/ /opt/sbom/
USER $APP_UID
EXPOSE 8080
# The host itself, not the base's start script: a shell as the first process would not pass SIGTERM on.
CMD ["/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"]

# The same image with the SDK, the sources, an SSH server for keys (2222) and a notebook server behind a token (8888) for Python and C#.
FROM worker AS dev
USER root
RUN apt-get update \
    && apt-get install -y --no-install-recommends git less openssh-server python3-venv \
    && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_* \
    && python3 -m venv /opt/jupyter \
    && /opt/jupyter/bin/pip install --no-cache-dir jupyterlab==4.6.6
COPY --from=build /usr/share/dotnet/ /usr/share/dotnet/
COPY --from=build --chown=$APP_UID /source/ /workspace/
COPY --chmod=755 build/dev-container.sh /usr/local/bin/dev-container
COPY build/csharp-kernel.json /opt/jupyter/share/jupyter/kernels/csharp/kernel.json
# Not below /home, where root's files would be in the user's way.
RUN --mount=type=cache,id=batch-nuget,target=/root/.nuget/packages,sharing=locked \
    ln -sf /usr/share/dotnet/dotnet /usr/local/bin/dotnet \
    && chown $APP_UID /workspace \
    && HOME=/root dotnet tool install Microsoft.dotnet-interactive --version 1.0.712001 --tool-path /opt/dotnet-tools
WORKDIR /workspace
USER $APP_UID
EXPOSE 2222 8888
CMD ["dev-container"]

# Last, so that it is what a plain build makes.
FROM worker
