"""Where numbers come from: commit, versions, machine, command line; never environment variables or secrets."""

import json
import os
import platform
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from orchestrator.packages import PACKAGES, locate, sources_digest
from orchestrator.redaction import redact
from trainables.location import Location

DISTRIBUTIONS = (
    "gradient-coherence",
    "mlxtend",
    "numba",
    "numpy",
    "polars",
    "pyarrow",
    "pydantic",
    "ray",
    "scikit-learn",
    "scipy",
    "torch",
    "torchvision",
    "wandb",
)

GIT_S = 10
"""Seconds that git gets; a checkout on a slow disk must not delay a sweep."""


def collect(store: Location) -> str:
    """One JSON text with sorted keys; what is unknown is null or left out, and nothing here can fail a sweep."""
    content = {
        "store": redact([str(store)])[0],
        "command": redact(sys.argv),
        "git": git_state(locate("orchestrator") or Path.cwd()),
        "sources": sources_digest(),
        "versions": _versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "gpus": _gpus(),
    }
    return json.dumps(content, sort_keys=True)


def with_launch(provenance: str, **facts: object) -> str:
    """The same with what the plan expected of this launch, which the report holds against what came of it."""
    return json.dumps({**json.loads(provenance), "launch": facts}, sort_keys=True)


def git_state(package: Path) -> dict[str, Any] | None:
    """Commit and whether the packages' folders differ from it; None where they are not in a git checkout of theirs.

    An installed copy may lie below some other checkout, whose commit says nothing: git must track the file.
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = _git(package, "rev-parse", "HEAD")
    changes = _git(package.parent, "status", "--porcelain", "--", *PACKAGES)
    return None if commit is None else {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=GIT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None  # no git, no checkout or one that is not ours to read: the commit is unknown
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cpu_model() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or None


def _gpus() -> list[str] | None:
    """Names of this process's GPUs, if torch is loaded already; loading it takes seconds."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
