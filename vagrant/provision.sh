#!/bin/sh
# Runs as root inside a machine: what scripts/setup does on any host, then swarmd as a service. $1: this machine's address.
set -eu
address=$1

if ! command -v node >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  # Debian 12 has Node 18; Node 20 comes from where this machine's owner gets it. NODE_TARBALL names a file in the checkout.
  tarball=${NODE_TARBALL:-/opt/skein/.cache/node-linux-x64.tar.xz}
  if [ ! -f "$tarball" ]; then
    echo "Node 20 is needed and \"$tarball\" is not there: put the official node-v20 linux-x64 tarball at that path and run vagrant provision again" >&2
    exit 1
  fi
  tar -xJf "$tarball" -C /usr/local --strip-components=1
fi

cd /opt/skein
sh scripts/setup
cat > /etc/systemd/system/swarmd.service <<UNIT
[Unit]
Description=Skein swarmd
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=/opt/skein/bin/swarmd --advertise-addr $address
Restart=always
RestartSec=1
# Containers outlive the daemon.
KillMode=process
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now swarmd
ln -sf /opt/skein/bin/swarmctl /usr/local/bin/swarmctl
