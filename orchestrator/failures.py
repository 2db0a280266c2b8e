"""Why an attempt ended early, as one of six classes: what the error says, nothing about who is told.

device-memory    the accelerator has too little memory
host-memory      the machine has too little memory, or its memory monitor killed the worker
infrastructure   disk, mount, network, a node or worker that is gone or unfit, data that cannot be had
preempted        its process was asked to go (SIGTERM); a checkpoint was saved, the attempt is `interrupted`
time-out         the wall time allowed was used up; its checkpoint is kept
bug              everything else: the same again would fail again
"""

import errno
from typing import Literal, get_args

Failure = Literal["device-memory", "host-memory", "bug", "infrastructure", "preempted", "time-out"]
FAILURES: tuple[Failure, ...] = get_args(Failure)

STORE_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors that every trial would meet, on any node."""

STORAGE = (*STORE_IS_FULL, errno.EIO, errno.ESTALE, errno.EFBIG, errno.EACCES)
"""Errors of a disk or mount rather than of this code."""

NETWORK = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ENOTCONN)

_ON_DEVICE = ("out of memory", "ALLOC_FAILED")
_DEVICES = ("CUDA", "HIP", "CUDNN", "CUBLAS", "MPS")
_ON_HOST = ("can't allocate memory", "not enough memory", "running low on memory")


class OutOfTimeError(Exception):
    """An attempt used up the wall time it was given."""


def failure_class(error: BaseException) -> Failure:
    """The class of an error. Errors of torch and Ray are known by the names of their classes and by their words, so
    that neither library is imported."""
    names = {kind.__name__ for kind in type(error).__mro__}
    home = type(error).__module__.split(".")[0]
    text = str(error)
    if isinstance(error, OutOfTimeError):
        return "time-out"
    if home != "ray" and _device_is_full(names, text):
        return "device-memory"
    if _host_is_full(error, names, home, text):
        return "host-memory"
    return "infrastructure" if _is_infrastructure(error, names, home) else "bug"


def _device_is_full(names: set[str], text: str) -> bool:
    if "OutOfMemoryError" in names:
        return True
    said = any(words in text for words in _ON_DEVICE) and any(device in text.upper() for device in _DEVICES)
    return "RuntimeError" in names and said


def _host_is_full(error: BaseException, names: set[str], home: str, text: str) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    if home == "ray":
        return "OutOfMemoryError" in names or any(words in text for words in _ON_HOST)
    return "RuntimeError" in names and any(words in text for words in _ON_HOST)


def _is_infrastructure(error: BaseException, names: set[str], home: str) -> bool:
    if isinstance(error, OSError):
        lost = isinstance(error, ConnectionError | TimeoutError)
        return lost or error.errno in STORAGE or error.errno in NETWORK
    return bool({"MissingDataError", "ClusterError"} & names) or (home == "ray" and "RayTaskError" not in names)
