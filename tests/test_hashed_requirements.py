"""requirements-hashed.txt names the versions that constraints.txt pins, all that an installation needs, with hashes."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?: ; (.*?))? ?\\?$", re.MULTILINE)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, str]:
    return {normal(name): version for name, version, _ in PIN.findall((ROOT / file).read_text())}


def test_versions_are_those_of_the_constraints() -> None:
    constrained, hashed = pins("constraints.txt"), pins("requirements-hashed.txt")
    assert {name: version for name, version in hashed.items() if name in constrained} == {
        name: version for name, version in constrained.items() if name in hashed
    }
    text = (ROOT / "requirements-hashed.txt").read_text()
    elsewhere = {normal(name) for name, _, marker in PIN.findall(text) if "sys_platform == 'win32'" in marker}
    builds = {"setuptools"}  # an environment brings it; a build from hashed files alone needs it
    assert set(hashed) - set(constrained) <= elsewhere | builds, "`make hashes` rewrites the file"


def test_everything_that_the_project_asks_for_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["sweep"], *extras["dev"]]
    names = {normal(re.split(r"[\[<>=]", one)[0]) for one in asked}
    assert names <= set(pins("requirements-hashed.txt"))


def test_each_has_a_hash_and_nothing_else_is_in_the_file() -> None:
    lines = [
        line.strip().removesuffix("\\").strip()
        for line in (ROOT / "requirements-hashed.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    kinds = ["hash" if re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) else "pin" for line in lines]
    assert kinds[-1] == "hash"
    assert all(after == "hash" for before, after in pairwise(kinds) if before == "pin")
    assert all(PIN.fullmatch(line) for line, kind in zip(lines, kinds, strict=True) if kind == "pin")
