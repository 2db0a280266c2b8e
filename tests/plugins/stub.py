"""Distributions that are installed for one test: modules and metadata in a folder for PYTHONPATH, without pip."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def metadata(site: Path, name: str, version: str, points: Mapping[str, Mapping[str, str]]) -> None:
    """What pip leaves of a distribution beside its modules. points: by group and name."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [line for group, of in points.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in of.items()))]
    (folder / "entry_points.txt").write_text("\n".join(lines))


def publish(site: Path, name: str, source: str, points: Mapping[str, Mapping[str, str]], version: str = "1.0") -> None:
    """A distribution of a single module, called like it."""
    metadata(site, name, version, points)
    (site / f"{name.replace('-', '_')}.py").write_text(source)


def install(package: Path, site: Path) -> None:
    """A package with a pyproject.toml, whose modules lie beside it."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    metadata(site, project["name"], project["version"], project["entry-points"])
    for module in package.iterdir():
        if module.is_dir() and (module / "__init__.py").exists():
            shutil.copytree(module, site / module.name)


def environment(*sites: Path) -> dict[str, str]:
    """Of a process that finds this checkout and the sites."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *sites)))}


def python(code: str, *sites: Path, cwd: Path) -> str:
    """Standard output of a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environment(*sites), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def coherence(*arguments: str, sites: tuple[Path, ...], cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "orchestrator.cli", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment(*sites), capture_output=True, text=True, check=False)
