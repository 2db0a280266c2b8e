"""Takes out of a store's rows what says whose machine they were made on.

Dropped: host names, process ids, the command line and the place of the store. In texts, home folders become `~`,
and the names of users and hosts that the store itself tells become `user` and `host`. What the science rests on
stays: versions, commit, CPU and GPU models, times.
"""

import getpass
import json
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEPT_PROVENANCE = ("git", "sources", "versions", "python", "platform", "cpu", "cpus", "gpus", "launch", "plugins")
"""Chosen by name, so that what provenance gains later is left out until somebody has thought about it."""

_HOME = re.compile(r"(?:[A-Za-z]:)?[\\/]+(?:home|Users)[\\/]+([^\\/\s\"':]+)|(?<![\w/.-])/root(?![\w-])")
_NOBODY = {"root", "user", "localhost"}


@dataclass(frozen=True)
class Names:
    """What is taken out of texts: the home folder of who copies, names of users, names of hosts."""

    home: str
    users: frozenset[str]
    hosts: frozenset[str]

    def clean(self, text: str) -> str:
        """The text without them."""
        if len(self.home) > 1:
            text = text.replace(self.home, "~")
        text = _HOME.sub("~", text)
        for names, instead in ((self.hosts, "host"), (self.users, "user")):
            for name in sorted(names, key=len, reverse=True):
                text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", instead, text)
        return text


def names_in(rows: Iterable[Mapping[str, Any]]) -> Names:
    """The names that rows tell (hosts by column and provenance, users by the home folders in texts), and our own."""
    home = str(Path.home())
    hosts, texts = {socket.gethostname()}, [home]
    for row in rows:
        provenance = _parsed(row.get("provenance"))
        hosts |= {name for name in (row.get("host"), provenance.get("host")) if isinstance(name, str)}
        texts += [str(row[name]) for name in ("message", "provenance", "definition", "reason") if row.get(name)]
    users = {match.group(1) for text in texts for match in _HOME.finditer(text) if match.group(1)} | {_user()}
    hosts |= {name.partition(".")[0] for name in hosts}
    return Names(home, frozenset(users - _NOBODY - {""}), frozenset(hosts - _NOBODY - {""}))


def anonymous(table: str, row: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """One row of `trials`, `attempts` or `sweeps`, ready for publishing."""
    cleaned = dict(row)
    for column in {"attempts": ("message",), "trials": ("reason",), "sweeps": ("definition",)}[table]:
        cleaned[column] = names.clean(row[column]) if row[column] else row[column]
    if table == "attempts":
        cleaned |= {"host": None, "pid": None}
    if table == "trials":
        known = _parsed(row["provenance"])
        kept = {name: _cleaned(known[name], names) for name in KEPT_PROVENANCE if name in known}
        cleaned["provenance"] = json.dumps(kept, sort_keys=True)
    return cleaned


def _cleaned(value: Any, names: Names) -> Any:
    """Values are cleaned, keys (of versions, say) are not."""
    if isinstance(value, dict):
        return {key: _cleaned(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item, names) for item in value]
    return names.clean(value) if isinstance(value, str) else value


def _parsed(text: object) -> dict[str, Any]:
    try:
        content = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in many containers
        return ""
