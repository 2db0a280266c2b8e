"""The Parquet tables: declared schemas with units, file layout, schema version. Torch-free.

One declared Arrow schema per table, written in full by every file, so that plain polars, pandas and
DuckDB globs (`<store>/<table>/*/*.parquet`) work without options. Field metadata `doc` says what a
column holds and in which unit.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trainables.location import Location as Location
from trainables.location import LocationError as LocationError
from trainables.location import each as each
from trainables.location import in_order as in_order
from trainables.location import local_file as local_file
from trainables.location import locate as locate
from trainables.location import parquet_source as parquet_source
from trainables.location import relative as relative
from trainables.remote import RemotePath as RemotePath
from trainables.s3 import polars_options as polars_options
from trainables.storage import Fence, publish

SCHEMA_VERSION = 3
READABLE_VERSIONS = (2, 3)
"""3 added the table `digests` and changed no other: a store of version 2 is one without digests."""
NUMERICS_VERSION = 4
"""Raised whenever the same spec gives other numbers than before."""

STORE_FILE = "_store.json"

STOPPED_EARLY = "early stopping:"
"""How the `reason` of a trial begins that was stopped because others of its sweep did better."""


def _column(name: str, kind: pa.DataType, doc: str, *, nullable: bool = True) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"doc": doc})


_ID = _column("trial_id", pa.string(), "first 12 hex digits of SHA-256 over the canonical spec", nullable=False)
_STEP = _column("step", pa.int64(), "updates made before this measurement", nullable=False)
_F, _I, _S = pa.float64(), pa.int64(), pa.string()

_STATISTICS = [
    _column("n", _I, "units (of k examples each) in the sums"),
    _column("q", _F, "Q = sum over units of the squared gradient norm"),
    _column("s2", _F, "||S||^2, squared norm of the sum of the units' gradients"),
    _column("q4", _F, "sum over units of the fourth power of the gradient norm"),
    _column("alpha", _F, "m_coherence / (n k): ||S||^2 / (n Q), in [0, 1], for k = 1; null when undefined"),
    _column("m_coherence", _F, "of one example among n k: ||S||^2 / Q for k = 1; 1 = orthogonal; null when undefined"),
    _column(
        "alpha_unbiased",
        _F,
        "of one example: (||S||^2 - Q) / ((n-1) Q), of units of k > 1 inverted; may be negative; null when undefined",
    ),
    _column("effective_sample_size", _F, "Q^2 / q4, in [1, n]; null when undefined"),
    _column("undefined", _S, "why the ratios are null; null when they are defined"),
]

SCHEMAS: dict[str, pa.Schema] = {
    "trials": pa.schema(
        [
            _ID,
            _column("dataset", _S, "name"),
            _column("model", _S, "name"),
            _column("corruption", _S, "name"),
            _column("corruption_fraction", _F, "share of examples selected; 0 for none"),
            _column("aggregator", _S, "name"),
            _column("aggregator_level", _F, "percent per tail; null without a level"),
            _column("tail_count", _I, "values replaced or dropped per tail of a batch; null without a level"),
            _column("optimizer", _S, "name"),
            _column("lr", _F, "initial learning rate"),
            _column("loss", _S, "name"),
            _column("batch_size", _I, "examples a step"),
            _column("epochs", _I, "passes over the training set"),
            _column("seed", _I, "seed"),
            _column("engine", _S, "exact or fused"),
            _column("estimator", _S, "example, grouped or eval-mode"),
            _column("spec", _S, "canonical JSON of the whole spec", nullable=False),
            _column("outcome", _S, "completed, diverged or stopped", nullable=False),
            _column("reason", _S, "why a trial diverged or was stopped"),
            _column("steps", _I, "updates made"),
            _column("parameters", _I, "trainable scalars of the model"),
            _column("train_examples", _I, "training examples"),
            _column("corrupt_examples", _I, "training examples whose given label differs from the original"),
            _column("final_train_loss", _F, "mean loss over the training set, given labels"),
            _column("final_train_accuracy", _F, "share of given training labels predicted"),
            _column("final_test_accuracy", _F, "share of clean test labels predicted"),
            _column("final_pristine_accuracy", _F, "share of uncorrupted training labels predicted"),
            _column("final_corrupt_accuracy", _F, "share of corrupted training labels predicted; null if none"),
            _column("rows_steps", _I, "rows in `steps`"),
            _column("rows_layers", _I, "rows in `layers`"),
            _column("rows_evals", _I, "rows in `evals`"),
            _column("rows_examples", _I, "rows in `examples`"),
            _column("rows_instruments", _I, "rows in `instruments`"),
            _column("trained_examples", _I, "examples that training took forward and backward"),
            _column("measured_examples", _I, "examples that probes and instruments took forward and backward"),
            _column("data_sha256", _S, "digest of the data arrays as used, labels as given"),
            _column("numerics_version", _I, "raised when the same spec gives other numbers"),
            _column("provenance", _S, "JSON: commit, package versions, host, command line"),
        ]
    ),
    "attempts": pa.schema(
        [
            _ID,
            _column("attempt", _I, "0, 1, ... in order of starting", nullable=False),
            _column("start_step", _I, "step of the checkpoint it resumed from; 0 = from the beginning"),
            _column("end_step", _I, "last step reached; null while running or lost"),
            _column("outcome", _S, "running, completed, diverged, stopped, interrupted or failed"),
            _column(
                "failure",
                _S,
                "device-memory, host-memory, bug, infrastructure, time-out (failed attempts) or preempted; else null",
            ),
            _column("error_class", _S, "exception class of a failed attempt"),
            _column("fingerprint", _S, "digest of the traceback without line numbers and values"),
            _column("message", _S, "traceback of a failed attempt"),
            _column("host", _S, "host name"),
            _column("pid", _I, "process id"),
            _column("device", _S, "cpu or cuda device name"),
            _column("started_at", _F, "seconds since 1970 UTC"),
            _column("ended_at", _F, "seconds since 1970 UTC; null while running or lost"),
            _column("cpu_s", _F, "CPU seconds of the process in this attempt"),
            _column("measure_s", _F, "CPU seconds of them spent on probes and evaluations"),
            _column("peak_memory_mib", _F, "peak resident memory of the process, MiB"),
            _column("estimated_s", _F, "CPU seconds that the plan expected of the whole trial; null if nobody planned"),
        ]
    ),
    "steps": pa.schema(
        [
            _ID,
            _STEP,
            _column("epoch", _I, "0, 1, ...", nullable=False),
            _column("lr", _F, "learning rate of the update that follows"),
            _column("loss", _F, "mean loss of the batch before the update, given labels"),
            _column("accuracy", _F, "share of the batch's given labels predicted before the update"),
            *_STATISTICS,
        ]
    ),
    "layers": pa.schema(
        [
            _ID,
            _STEP,
            _column(
                "source",
                _S,
                "online (training batch), probe (fixed sample) or probe-ema (it, at averaged weights)",
                nullable=False,
            ),
            _column("estimator", _S, "example, grouped or eval-mode", nullable=False),
            _column("group", _S, "all, pristine or corrupt", nullable=False),
            _column("layer", _S, "module name; * = whole network", nullable=False),
            _column("layer_index", _I, "0, 1, ... in forward order; -1 for *", nullable=False),
            _column("k", _I, "examples per unit"),
            _column("parameters", _I, "trainable scalars in the layer"),
            *_STATISTICS[:3],
            _column("s_dot_total", _F, "dot of this group's sum with the sum over all groups, same layer"),
            *_STATISTICS[3:7],
            _column(
                "alpha_error", _F, "delete-a-block jackknife standard error of alpha_unbiased; null if not estimated"
            ),
            *_STATISTICS[7:],
        ]
    ),
    "evals": pa.schema(
        [
            _ID,
            _STEP,
            _column("split", _S, "train, test, pristine, corrupt, or easy and hard (held-out parts)", nullable=False),
            _column("loss", _F, "mean loss, given labels (test: clean); null without examples"),
            _column("accuracy", _F, "share of these labels predicted; null without examples"),
            _column("original_accuracy", _F, "share predicted as the original label; null without examples"),
            _column("count", _I, "examples"),
        ]
    ),
    "examples": pa.schema(
        [
            _ID,
            _column("index", _I, "position in the training split of the data set", nullable=False),
            _column("original_label", _I, "label of the data set"),
            _column("given_label", _I, "label trained on"),
            _column("selected", pa.bool_(), "selected by the corruption"),
            _column("corrupt", pa.bool_(), "given differs from original"),
            _column("first_learnt", _I, "first evaluated step predicted as given; null if never"),
            _column(
                "learnt_for_good", _I, "first evaluated step from which it stayed predicted; null if not at the end"
            ),
            _column("final_loss", _F, "loss at the last evaluation"),
        ]
    ),
    "instruments": pa.schema(
        [
            _ID,
            _STEP,
            _column("source", _S, "probe (fixed sample) or probe-ema (it, at averaged weights)", nullable=False),
            _column("estimator", _S, "example, grouped or eval-mode", nullable=False),
            _column("instrument", _S, "name", nullable=False),
            _column("quantity", _S, "what of the instrument, as its documentation names it", nullable=False),
            _column("group", _S, "all, pristine, corrupt, class a, or class a ~ class b", nullable=False),
            _column("layer", _S, "module name; * = whole network", nullable=False),
            _column("layer_index", _I, "0, 1, ... in forward order; -1 for *", nullable=False),
            _column("n", _I, "units that the value rests on"),
            _column("value", _F, "the value; null when undefined"),
            _column("low", _F, "2.5 % quantile of the null worlds; null without any"),
            _column("high", _F, "97.5 % quantile of the null worlds; null without any"),
            _column("undefined", _S, "why the value is null; null when it is defined"),
        ]
    ),
    "digests": pa.schema(
        [
            _ID,
            _STEP,
            _column(
                "kind",
                _S,
                "parameter, buffer, state (optimizer, aggregator, average) or batch (of the update that follows)",
                nullable=False,
            ),
            _column("name", _S, "of the tensor; of a batch: indices, inputs or labels", nullable=False),
            _column("sha256", _S, "first 16 hex digits of SHA-256 over type, shape and bytes", nullable=False),
        ]
    ),
    "sweeps": pa.schema(
        [
            _column("sweep", _S, "name", nullable=False),
            _column("revision", _I, "0, 1, ...", nullable=False),
            _column("position", _I, "order in the sweep", nullable=False),
            _ID,
            _column("spec", _S, "canonical JSON of the trial", nullable=False),
            _column("definition", _S, "the sweep file as text"),
            _column("created_at", _F, "seconds since 1970 UTC"),
        ]
    ),
}

CURVES = ("steps", "layers", "evals", "examples", "instruments")
"""Tables of measurements, whose rows `trials` counts."""

PARTED = (*CURVES, "digests")
"""Tables a trial writes while it trains: no clock, host or attempt column; equal bit for bit after a resume."""


def part_path(store: Location, table: str, trial_id: str, part: int) -> Location:
    """`<store>/<table>/<trial_id>/part-<k>.parquet`."""
    return store / table / trial_id / f"part-{part}.parquet"


def sweep_path(store: Location, name: str, revision: int) -> Location:
    """`<store>/sweeps/<name>/<revision>.parquet`."""
    return store / "sweeps" / name / f"{revision}.parquet"


def part_number(path: Location) -> int:
    """k of `part-<k>.parquet`."""
    return int(path.stem.removeprefix("part-"))


def to_table(table: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows as an Arrow table of the declared schema; an undeclared or missing non-null column is an error."""
    schema, rows = SCHEMAS[table], list(rows)
    unknown = {key for row in rows for key in row} - set(schema.names)
    if unknown:
        raise ValueError(f"table {table!r} has no column {sorted(unknown)}; known: {schema.names}")
    built = pa.table({f.name: pa.array([row.get(f.name) for row in rows], f.type) for f in schema}, schema=schema)
    built.validate(full=True)
    for field in schema:
        if not field.nullable and built[field.name].null_count:
            raise ValueError(f"table {table!r}: column {field.name!r} must not be null")
    return built


def write_part(
    path: Location,
    table: str,
    rows: Sequence[Mapping[str, Any]],
    metadata: Mapping[str, str] | None = None,
    *,
    tag: str,
    fence: Fence | None = None,
) -> None:
    """Write one file of the declared schema, whole or not at all; `tag` and `fence` as in `storage.publish`."""
    content = part_bytes(table, rows, metadata)
    publish(path, lambda file: file.write(content), tag=tag, fence=fence)


def part_bytes(table: str, rows: Sequence[Mapping[str, Any]], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of one file of the declared schema; its metadata names table and schema version too."""
    built = to_table(table, rows)
    content = {"table": table, "schema_version": str(SCHEMA_VERSION), **(metadata or {})}
    built = built.replace_schema_metadata({key.encode(): value.encode() for key, value in content.items()})
    buffer = io.BytesIO()
    pq.write_table(built, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()
