"""Reads what an offline run's file holds: a LevelDB-style log of protocol-buffer records."""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEADER = struct.Struct("<4sHB")
CHUNK = struct.Struct("<IHB")
BLOCK = 32 * 2**10
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@dataclass
class OfflineRun:
    """One run as its file tells it."""

    identity: str = ""
    project: str = ""
    group: str = ""
    job: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    exit_code: int | None = None


def read_run(path: Path) -> OfflineRun:
    """Read a `run-<id>.wandb` file."""
    from wandb.proto import wandb_internal_pb2

    run = OfflineRun()
    for content in _records(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(content)
        _take(run, record)
    return run


def _take(run: OfflineRun, record: Any) -> None:
    match record.WhichOneof("record_type"):
        case "run":
            run.identity, run.project, run.group = record.run.run_id, record.run.project, record.run.run_group
            run.tags, run.job = list(record.run.tags), record.run.job_type
            run.config.update(_items(record.run.config.update))
        case "config":
            run.config.update(_items(record.config.update))
        case "history":
            run.history.append(_items(record.history.item))
        case "summary":
            run.summary.update(_items(record.summary.update))
        case "metric":
            run.metrics[record.metric.name or record.metric.glob_name] = record.metric.step_metric
        case "exit":
            run.exit_code = record.exit.exit_code


def _items(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _records(content: bytes) -> Iterator[bytes]:
    name, magic, _ = HEADER.unpack_from(content)
    assert (name, magic) == (b":W&B", 0xBEE1)
    at, parts = HEADER.size, b""
    while at + CHUNK.size <= len(content):
        left = BLOCK - at % BLOCK
        if left < CHUNK.size:
            at += left
            continue
        checksum, length, kind = CHUNK.unpack_from(content, at)
        data = content[at + CHUNK.size : at + CHUNK.size + length]
        assert zlib.crc32(data, zlib.crc32(bytes([kind]))) == checksum, f"damaged at byte {at}"
        at += CHUNK.size + length
        parts = data if kind in (FULL, FIRST) else parts + data
        if kind in (FULL, LAST):
            yield parts
