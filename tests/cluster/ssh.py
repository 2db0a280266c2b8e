"""sshd on every host, with one key that opens all of them."""

import shutil
import subprocess

from tests.cluster.host import ROOT
from tests.cluster.hosts import Hosts

SSHD = "/usr/sbin/sshd"
CONFIG = """
HostKey {key}
AuthorizedKeysFile {key}.pub
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
PidFile none
SetEnv PYTHONPATH={root} RAY_USAGE_STATS_ENABLED=0
"""


def missing() -> str | None:
    """Why `ray up` over SSH cannot be tried here; None if it can."""
    tools = (SSHD, "ssh", "ssh-keygen", "rsync", "uptime")
    if absent := [tool for tool in tools if shutil.which(tool) is None]:
        return f"not installed: {', '.join(absent)} (Debian: openssh-server openssh-client rsync procps)"
    return None


def serve_ssh(hosts: Hosts) -> None:
    """Let every host start sshd when it boots; `host.base / "key"` is the private key that logs in as root."""
    key = hosts.folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    for index in range(len(hosts)):
        own = hosts[index].base
        own.mkdir(parents=True)
        for file in (key, key.with_suffix(".pub")):
            shutil.copy(file, own)  # a host sees nothing of this machine's /tmp but its own folder
        (own / "sshd_config").write_text(CONFIG.format(key=own / "key", root=ROOT))
        hosts.serve(index, f"mkdir -p /run/sshd; {SSHD} -D -e -f {own}/sshd_config &")
