"""Runs trials on Ray, through Tune; the only door to Ray. Importing this package imports Ray (seconds).

Tune schedules and retries, nothing more: what is done and from where a trial resumes is decided by the
store, so Tune's own state lives in a temporary folder that is thrown away. Only the loss of a worker
counts as a failure for Tune; a trial's own exception is recorded, and tried again where it may be, in the worker.
"""

from orchestrator.launch import ForWorkers
from orchestrator.retries import Attempt
from orchestrator.tune.driver import run_on_ray
from orchestrator.tune.nodes import check_nodes, cluster_nodes
from orchestrator.tune.settings import OBJECT_STORE_BYTES, SETTINGS

__all__ = ["OBJECT_STORE_BYTES", "SETTINGS", "Attempt", "ForWorkers", "check_nodes", "cluster_nodes", "run_on_ray"]
