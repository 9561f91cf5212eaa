#!/usr/bin/env bash
# Builds every stage of the image with buildah, without Docker and without the real bases: a stand-in of each carries this machine's /usr, so that the publish step
# and every COPY run as they are written; apt-get and Python are stand-ins too, since what dev installs is in no reach of the check. Then looks into the images and
# starts their first processes. Linux as root, with buildah, the .NET SDK below /usr and about 10 GB of disk; some minutes.
#   build/check-image.sh [cpu|cuda]
set -euo pipefail
cd "$(dirname "$0")/.."
# In a mount space of its own, so that nothing of what is mounted below stays behind.
[ "${IMAGE_MOUNTS:-}" = own ] || IMAGE_MOUNTS=own exec unshare --mount build/check-image.sh "$@"
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
accelerator=${1:-cpu}
work=$(mktemp -d)
trap 'umount "$work/usr/merged" 2> /dev/null; rm -rf --one-file-system "$work"' EXIT
fail() { echo "$*"; exit 1; }

# The stand-in of all bases.
mkdir -p "$work"/root/{etc/ssl,etc/ssh,tmp,root,home,opt,run,proc,sys,dev,usr/share/dotnet,usr/local/bin,var/tmp,var/lib/apt/lists,azure-functions-host,stand-in}
for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$work/root/$folder"; done
printf 'root:x:0:0::/root:/bin/sh\napp:x:1654:1654::/home:/bin/sh\n' > "$work/root/etc/passwd"
printf 'root:x:0:\napp:x:1654:\n' > "$work/root/etc/group"
cp -rL /etc/ssl/certs "$work/root/etc/ssl/"
cp -L /etc/resolv.conf /etc/hosts /etc/nsswitch.conf "$work/root/etc/"
# The host and the notebook server say who and which process they are, and end by SIGTERM with 42.
cat > "$work/root/stand-in/server" <<'SERVER'
#!/bin/sh
trap 'exit 42' TERM
echo "process $$, user $(id -u)" > /tmp/server
while :; do sleep 1 & wait $!; done
SERVER
printf '#!/bin/sh\n' | tee "$work/root/stand-in/apt-get" > "$work/root/usr/share/dotnet/dotnet"
printf '#!/bin/sh\nmkdir -p /opt/jupyter/bin\nln -s /stand-in/apt-get /opt/jupyter/bin/pip\nln -s /stand-in/server /opt/jupyter/bin/jupyter\n' > "$work/root/stand-in/python3"
chmod 755 "$work"/root/stand-in/*
cp "$work/root/stand-in/server" "$work/root/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"
chmod 1777 "$work/root/tmp" "$work/root/var/tmp"
printf 'FROM scratch\nCOPY root/ /\nENV PATH=/stand-in:/usr/local/bin:/usr/bin:/usr/sbin HOME=/root APP_UID=1654 DOTNET_NOLOGO=1 NUGET_CERT_REVOCATION_MODE=%s\n' "${NUGET_CERT_REVOCATION_MODE:-online}" > "$work/Dockerfile"
for base in $(sed -nE 's/^FROM (mcr\.microsoft\.com[^$ ]*).*/\1/p' Dockerfile); do
  buildah bud -q --pull-never -f "$work/Dockerfile" -t "$base" "$work" > /dev/null
done

# What a step writes below /usr lands on a layer of its own above this machine's.
mkdir -p "$work"/usr/{upper,work,merged}
mount -t overlay overlay -o "lowerdir=/usr,upperdir=$work/usr/upper,workdir=$work/usr/work" "$work/usr/merged"
mkdir -p "$work/model" && printf '{}' > "$work/model/config.json"
build() {
  buildah bud --pull-never --layers -v "$work/usr/merged:/usr" --build-arg ACCELERATOR="$accelerator" --build-arg VERSION=1.2.3 "$@" . > "$work/log" 2>&1 || { tail -n 40 "$work/log"; fail "the build ended: $*"; }
}
build --target worker -t batch-worker:check
build --target worker -t batch-worker:model --build-context "model=$work/model" --build-arg MODEL_NAME=other
build --target dev -t batch-worker:dev
build -t batch-worker:last

# Starts an image's first process as its user in a process space of its own, and ends it as a scale-in does.
start() {
  local container folder user code=0
  container=$(buildah from --pull-never "$1")
  folder=$(buildah mount "$container")
  user=$(buildah inspect --format '{{.OCIv1.Config.User}}' "$1")
  [ "$user" = 1654 ] || fail "$1 runs as user '$user'"
  cp -a "$folder/usr/local/bin/." "$work/usr/merged/local/bin/" # what COPY put below /usr
  mount --bind "$work/usr/merged" "$folder/usr"
  mount --bind /dev "$folder/dev"
  unshare --fork --pid --kill-child chroot --userspec=1654:1654 "$folder" /usr/bin/env -i PATH=/usr/local/bin:/usr/bin HOME=/home "$2" > "$work/log" 2>&1 &
  local outer=$!
  for _ in $(seq 50); do [ -s "$folder/tmp/server" ] && break; sleep 0.2; done
  pkill -TERM -P "$outer"
  wait "$outer" || code=$?
  cat "$work/log"
  echo "$1: $(cat "$folder/tmp/server"), ended with $code by SIGTERM"
  [ "$(cat "$folder/tmp/server")" = "process 1, user 1654" ] && [ "$code" = 42 ] || fail "the first process of $1 is not the server itself"
  umount "$folder/usr" "$folder/dev"
  buildah rm "$container" > /dev/null
}

container=$(buildah from --pull-never batch-worker:last)
folder=$(buildah mount "$container")
for file in home/site/wwwroot/{host.json,functions.metadata,worker.config.json,extensions.json,Batch.Functions.dll,libtorch_cpu.so} opt/models/draft-5m/model.safetensors; do
  [ -e "$folder/$file" ] || fail "missing in the image: /$file"
done
for file in Batch.LocalHost.dll local.settings.sample.json libtorch_python.so libnnapi_backend.so; do
  [ ! -e "$folder/home/site/wwwroot/$file" ] || fail "in the image, and should not be: $file"
done
# Every package of which something is published is in the list that the label names.
published() { awk -F'"' '/"libraries"/ { on = 1 } on && /^    "/ { name = $2 } on && /"type": "package"/ { print name }' "$1"; }
for list in $(buildah inspect --format '{{index .OCIv1.Config.Labels "batch.sbom"}}' batch-worker:last); do
  [ -s "$folder$list" ] || fail "missing in the image, though its label names it: $list"
done
for pair in batch-worker:Batch.Functions.deps.json batch-worker-extensions:.azurefunctions/function.deps.json; do
  packages=$(published "$folder/home/site/wwwroot/${pair#*:}")
  [ -n "$packages" ] || fail "no package in ${pair#*:}"
  for package in $packages; do
    grep -qF "\"pkg:nuget/${package/\//@}\"" "$folder/opt/sbom/${pair%:*}.cdx.json" || fail "$package is published and not in ${pair%:*}.cdx.json"
  done
  echo "${pair%:*}.cdx.json lists all $(wc -w <<< "$packages") packages published"
done
command=$(buildah inspect --format '{{index .OCIv1.Config.Cmd 0}}' batch-worker:last)
buildah inspect --format 'ports {{.OCIv1.Config.ExposedPorts}}, first process {{.OCIv1.Config.Cmd}}, labels {{.OCIv1.Config.Labels}}' batch-worker:last
printf '\n%s in /home/site/wwwroot, the largest:\n' "$(du -sh "$folder/home/site/wwwroot" | cut -f1)"
find "$folder/home/site/wwwroot" -type f -printf '%s %f\n' | sort -rn | head -n 12 | numfmt --to=iec
buildah rm "$container" > /dev/null
start batch-worker:last "$command"

container=$(buildah from --pull-never batch-worker:model)
[ -e "$(buildah mount "$container")/opt/models/other/config.json" ] || fail "the model of --build-context is not in the image"
buildah inspect --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' batch-worker:model | grep -qx 'Engine__ModelPath=/opt/models/other' || fail "Engine__ModelPath is not that of MODEL_NAME"
buildah rm "$container" > /dev/null

container=$(buildah from --pull-never batch-worker:dev)
folder=$(buildah mount "$container")
for file in usr/share/dotnet/dotnet usr/local/bin/dev-container opt/dotnet-tools/dotnet-interactive opt/jupyter/share/jupyter/kernels/csharp/kernel.json workspace/functions/Batch.Functions.csproj home/site/wwwroot/Batch.Functions.dll; do
  [ -e "$folder/$file" ] || fail "missing in dev: /$file"
done
buildah rm "$container" > /dev/null
start batch-worker:dev /usr/local/bin/dev-container
echo "every stage builds ($accelerator)"
