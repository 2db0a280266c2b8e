"""Shares of a GPU that launches have measured, kept in the store for `plan`: `packing/<digest of the kind>.json`.

A launch measures anew, since its GPUs may be others; the newest measurement of a kind counts.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from orchestrator.errors import UserError
from orchestrator.packing import Device, PackKind, Share
from orchestrator.store import Store
from trainables.storage import publish

FOLDER = "packing"


def remember(store: Store, shares: Mapping[PackKind, Share], tag: str) -> None:
    """Keep what was measured. tag: of this launch, so that two never write one temporary file."""
    for kind, share in shares.items():
        content = json.dumps({"kind": kind, **asdict(share)}, sort_keys=True).encode()
        name = f"{sha256(json.dumps(kind).encode()).hexdigest()[:12]}.json"
        publish(store.root / FOLDER / name, lambda file, content=content: file.write(content), tag=tag)  # type: ignore[misc]


def known_shares(store: Store) -> dict[PackKind, Share]:
    """By kind; none where no launch has measured any."""
    found = (_read(path) for path in sorted((store.root / FOLDER).glob("*.json")))
    return dict(found)


def _read(path: Any) -> tuple[PackKind, Share]:
    try:
        content = json.loads(path.read_bytes())
        dataset, model, batch, aggregator = content["kind"]
        share = Share(int(content["copies"]), Device(**content["device"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is damaged ({error}); delete it, the next launch with gpu: auto makes it anew."
        ) from error
    return (dataset, model, batch, aggregator), share
