#!/usr/bin/env bash
# Builds the image's stages up to the worker with buildah, without Docker and without the real bases: a stand-in of each carries this machine's /usr, so that the
# publish step and every COPY run as they are written. Linux as root, with buildah, the .NET SDK below /usr and about 10 GB of disk; some minutes.
#   build/check-image.sh [cpu|cuda]
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
accelerator=${1:-cpu}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work"/root/{etc/ssl,tmp,root,home,opt,run,proc,sys,dev,usr,var/tmp,azure-functions-host}
for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$work/root/$folder"; done
printf 'root:x:0:0::/root:/bin/sh\napp:x:1654:1654::/home:/bin/sh\n' > "$work/root/etc/passwd"
printf 'root:x:0:\napp:x:1654:\n' > "$work/root/etc/group"
cp -rL /etc/ssl/certs "$work/root/etc/ssl/"
cp -L /etc/resolv.conf /etc/hosts /etc/nsswitch.conf "$work/root/etc/"
printf '#!/bin/sh\n' > "$work/root/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"
chmod 1777 "$work/root/tmp" "$work/root/var/tmp"
printf 'FROM scratch\nCOPY root/ /\nENV PATH=/usr/local/bin:/usr/bin:/usr/sbin HOME=/root APP_UID=1654\n' > "$work/Dockerfile"
for base in $(sed -nE 's/^FROM (mcr\.microsoft\.com[^$ ]*).*/\1/p' Dockerfile); do
  buildah bud -q --pull-never -f "$work/Dockerfile" -t "$base" "$work" > /dev/null
done

buildah bud --pull-never --layers=false -v /usr:/usr:ro --build-arg ACCELERATOR="$accelerator" --build-arg VERSION=1.2.3 --target worker -t batch-worker:check .

container=$(buildah from --pull-never batch-worker:check)
folder=$(buildah mount "$container")
for file in home/site/wwwroot/{host.json,functions.metadata,worker.config.json,extensions.json,Batch.Functions.dll,libtorch_cpu.so} opt/models/draft-5m/model.safetensors; do
  [ -e "$folder/$file" ] || { echo "missing in the image: /$file"; exit 1; }
done
[ ! -e "$folder/home/site/wwwroot/Batch.LocalHost.dll" ] || { echo "the local host is in the image"; exit 1; }
[ ! -e "$folder/home/site/wwwroot/local.settings.sample.json" ] || { echo "the sample of settings is in the image"; exit 1; }
buildah inspect --format 'user {{.OCIv1.Config.User}}, ports {{.OCIv1.Config.ExposedPorts}}, first process {{.OCIv1.Config.Cmd}}, version {{index .OCIv1.Config.Labels "org.opencontainers.image.version"}}' batch-worker:check
printf '\n%s in /home/site/wwwroot\n' "$(du -sh "$folder/home/site/wwwroot" | cut -f1)"
buildah rm "$container" > /dev/null
echo "the stages up to the worker build ($accelerator)"
