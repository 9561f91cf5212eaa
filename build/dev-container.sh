#!/usr/bin/env bash
# First process of the dev container: an SSH server for keys and a notebook server behind a token, both as the unprivileged user.
#   AUTHORIZED_KEYS   public keys, one a line; without any there is no SSH server
#   JUPYTER_TOKEN     token of the notebook server; drawn and printed when it is empty
set -euo pipefail

home=${HOME:-/home}
state="$home/.dev-container"
umask 077
mkdir -p "$state" "$home/.ssh"

if [ -n "${AUTHORIZED_KEYS:-}" ]; then
  printf '%s\n' "$AUTHORIZED_KEYS" > "$home/.ssh/authorized_keys"
fi
if [ -s "$home/.ssh/authorized_keys" ]; then
  [ -f "$state/host_key" ] || ssh-keygen -q -t ed25519 -N '' -f "$state/host_key"
  cat > "$state/sshd_config" <<CONFIG
Port 2222
HostKey $state/host_key
PidFile $state/sshd.pid
AuthorizedKeysFile $home/.ssh/authorized_keys
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
UsePAM no
StrictModes no
Subsystem sftp internal-sftp
CONFIG
  /usr/sbin/sshd -f "$state/sshd_config" -e
  echo "SSH listens on 2222 for the keys given, user $(id -un)"
else
  echo "No AUTHORIZED_KEYS and no $home/.ssh/authorized_keys: SSH stays off"
fi

if [ -z "${JUPYTER_TOKEN:-}" ]; then
  JUPYTER_TOKEN=$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')
  echo "Notebook server on 8888, token $JUPYTER_TOKEN"
fi
export JUPYTER_TOKEN
# The token comes by environment: an argument would show in the list of processes.
exec /opt/jupyter/bin/jupyter lab --ip=0.0.0.0 --port=8888 --no-browser --ServerApp.root_dir=/workspace
