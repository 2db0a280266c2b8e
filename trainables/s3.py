"""Connections to object stores that speak S3, and what their errors are called here.

Credentials come from the places where other tools look: the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
`AWS_SESSION_TOKEN`), the shared files (`~/.aws/credentials` and `~/.aws/config`, profile `AWS_PROFILE`), else the
role of the machine or container. `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` and `AWS_REGION` say where, as do the
shared files. Nothing of this is ever written anywhere.
"""

import configparser
import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from obstore.store import S3Store

Patience = tuple[int, float]
"""(retries, seconds that all of them may take). One request may take as many seconds."""

PATIENT: Patience = (20, 120.0)
"""What a running trial allows a store that does not answer, and a checkpoint of some hundred MB at a few MB/s; then its
attempt ends as one of class infrastructure."""

IMPATIENT: Patience = (2, 10.0)
"""For the first look at a store, which may be a slip of the pen, and for what must not happen late."""

_KEYS = {"aws_access_key_id": "access_key_id", "aws_secret_access_key": "secret_access_key"}
_MORE = {"aws_session_token": "session_token", "region": "region", "endpoint_url": "endpoint"}


CUT_SHORT = "request or response body error"
"""What obstore says of a connection that ended in the middle of an answer."""

PAUSE_S = 0.2
"""Before a request whose answer was cut short is made again."""

METADATA = "/latest/api/token"
"""Where a cloud tells a machine its role's keys; asked last, and of no use anywhere else."""

NO_KEYS = "no credentials: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, nor ~/.aws/credentials, nor a role"

Answer = TypeVar("Answer")


def client(bucket: str, patience: Patience = PATIENT) -> "S3Store":
    """A connection to a bucket, one a process for each way of reaching it."""
    settings = connection()
    return _client(bucket, tuple(sorted(settings.items())), patience)


def connection() -> dict[str, str]:
    """endpoint, region and keys, as far as environment and shared files say them; instance roles are asked later."""
    found = _from_files(os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default")
    names = {"access_key_id": ["AWS_ACCESS_KEY_ID"], "secret_access_key": ["AWS_SECRET_ACCESS_KEY"]}
    if any(os.environ.get(name) for (name,) in names.values()):  # keys of two places are never mixed
        found = {key: value for key, value in found.items() if key in {"region", "endpoint"}}
        names["session_token"] = ["AWS_SESSION_TOKEN"]
    names |= {
        "region": ["AWS_REGION", "AWS_DEFAULT_REGION"],
        "endpoint": ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
    }
    for key, places in names.items():
        if value := next((os.environ[name] for name in places if os.environ.get(name)), None):
            found[key] = value
    return found


def polars_options() -> dict[str, str]:
    """The same for `polars.scan_parquet(..., storage_options=...)`."""
    settings = connection()
    options = {f"aws_{'endpoint_url' if key == 'endpoint' else key}": value for key, value in settings.items()}
    if settings.get("endpoint", "").startswith("http://"):
        options["aws_allow_http"] = "true"
    return options


def answered(url: str, work: Callable[[], Answer], patience: Patience = PATIENT) -> Answer:
    """What `work` asked of the store. Its client repeats a request that was not answered, and not one whose answer
    ended in the middle: that is done here. Every error becomes an OSError."""
    from obstore.exceptions import GenericError

    deadline = time.monotonic() + patience[1]
    with _as_os_errors(url):
        while True:
            try:
                return work()
            except GenericError as error:
                if CUT_SHORT not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE_S)


@contextmanager
def _as_os_errors(url: str) -> Iterator[None]:
    """Errors of the store become those of a file system, which are sorted into classes elsewhere."""
    from obstore import exceptions

    try:
        yield
    except FileNotFoundError as error:
        what = "no such bucket" if "NoSuchBucket" in str(error) else os.strerror(errno.ENOENT)
        raise FileNotFoundError(errno.ENOENT, what, url) from error
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        if "QuotaExceeded" in str(error):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), url) from error
        raise PermissionError(errno.EACCES, "the object store refuses these credentials", url) from error
    except exceptions.BaseError as error:
        if "NoSuchBucket" in str(error):
            raise FileNotFoundError(errno.ENOENT, "no such bucket", url) from error
        if METADATA in str(error):
            raise PermissionError(errno.EACCES, NO_KEYS, url) from error
        raise OSError(errno.EIO, f"the object store failed: {_cause(error)}", url) from error


def _cause(error: Exception) -> str:
    """The first line, without the signed part of an address that it may name."""
    return str(error).strip().splitlines()[0].split("?X-Amz", 1)[0][:300]


@lru_cache(maxsize=32)
def _client(bucket: str, settings: tuple[tuple[str, str], ...], patience: Patience) -> "S3Store":
    try:
        from obstore.store import S3Store
    except ModuleNotFoundError as error:
        raise OSError(errno.ENOPKG, f"stores at s3:// need obstore ({error}); pip install obstore") from error

    options: Any = dict(settings)
    options.setdefault("region", "us-east-1")
    retries, seconds = patience
    waits: Any = {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=10), "base": 2}
    return S3Store(
        bucket,
        config=options,
        client_options={
            "allow_http": options.get("endpoint", "").startswith("http://"),
            "timeout": timedelta(seconds=seconds),
        },
        retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=seconds), "backoff": waits},
    )


def _from_files(profile: str) -> dict[str, str]:
    """Keys, region and endpoint of a profile; nothing where there are no such files."""
    home = Path.home() / ".aws"
    found: dict[str, str] = {}
    places = (
        (
            os.environ.get("AWS_CONFIG_FILE") or home / "config",
            profile if profile == "default" else f"profile {profile}",
        ),
        (os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials", profile),
    )
    for place, section in places:
        parser = configparser.RawConfigParser()
        parser.read(place, encoding="utf-8")
        if parser.has_section(section):
            items = dict(parser.items(section))
            found |= {ours: items[theirs] for theirs, ours in (_KEYS | _MORE).items() if theirs in items}
    return found
