"""A real S3 server for tests: moto in a process of its own, on a free port of the loopback device."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time

# One request at a time, as a store that decides conditional writes must look from outside: moto's own server answers in
# threads, and looks for an object before it puts it.
SERVER = """
import sys
from werkzeug.serving import run_simple
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
"""

BUCKET = "team"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def s3_server():
    """Environment variables of clients of a running server with one empty bucket."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port, process)
        variables = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        yield variables
    finally:
        process.kill()
        process.wait()


def wait_for(port, process):
    while True:
        assert process.poll() is None, "the server ended"
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


def set_environment(monkeypatch, variables):
    """Point the S3 client of this process at the server, and at no settings of a person."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {**variables, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    import s3fs

    # Clients are kept by their arguments, and these come from the environment.
    s3fs.S3FileSystem.clear_instance_cache()


def make_bucket(name=BUCKET):
    import s3fs

    files = s3fs.S3FileSystem()
    if not files.exists(name):
        files.mkdir(name)
