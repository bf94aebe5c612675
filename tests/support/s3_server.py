"""A real server that speaks S3's protocol, on loopback: moto's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

#: Whoever signs with these is let in; they are worth nothing elsewhere.
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def new_bucket(address: str) -> str:
    """An empty bucket's name. The keys must be in the environment."""
    import boto3

    name = f"bucket-{uuid4().hex}"
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket=name)
    return name
