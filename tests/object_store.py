"""An S3 server on loopback: moto's, a stand-in for a real one that keeps its objects in memory.

    python -m tests.object_store

runs one in a process of its own until standard input ends; its first line is the environment that leads to it, as JSON.
"""

import json
import logging
import sys
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

BUCKET = "bucket"
SECRET = "a-secret-key-that-must-not-be-seen"
KEYS = {"AWS_ACCESS_KEY_ID": "an-access-key", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}


@contextmanager
def s3_server(address: str = "127.0.0.1", *, deaf_to: Collection[str] = ()) -> Iterator[dict[str, str]]:
    """A server with an empty bucket; the environment that leads to it.

    deaf_to: headers that it does not know (`If-Match`).
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    dispatcher = DomainDispatcherApplication(create_backend_app)
    unknown = {f"HTTP_{name.upper().replace('-', '_')}" for name in deaf_to}

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        heard = {name: value for name, value in environ.items() if name not in unknown}
        answer: Iterable[bytes] = dispatcher(heard, start_response)
        return answer

    server = make_server(address, 0, application, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        environment = {**KEYS, "AWS_ENDPOINT_URL": f"http://{address}:{server.server_port}"}
        make_bucket(environment)
        yield environment
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_bucket(environment: Mapping[str, str]) -> None:
    """The bucket of the tests."""
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )
    client.create_bucket(Bucket=BUCKET)
    client.close()


def new_prefix() -> str:
    """An address where nothing lies yet."""
    return f"s3://{BUCKET}/{uuid.uuid4().hex[:12]}/store"


if __name__ == "__main__":
    with s3_server(*sys.argv[1:]) as found:
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
