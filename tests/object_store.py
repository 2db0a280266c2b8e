"""An S3 server on loopback: moto's, a stand-in for a real one that keeps its objects in memory."""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "bucket"
SECRET = "a-secret-key-that-must-not-be-seen"
KEYS = {"AWS_ACCESS_KEY_ID": "an-access-key", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}


@contextmanager
def s3_server(address: str = "127.0.0.1") -> Iterator[dict[str, str]]:
    """A server with an empty bucket; the environment that leads to it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=address, port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        environment = {**KEYS, "AWS_ENDPOINT_URL": f"http://{address}:{port}"}
        client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=SECRET,
            region_name=KEYS["AWS_REGION"],
        )
        client.create_bucket(Bucket=BUCKET)
        client.close()
        yield environment
    finally:
        server.stop()


def new_prefix() -> str:
    """An address where nothing lies yet."""
    return f"s3://{BUCKET}/{uuid.uuid4().hex[:12]}/store"
