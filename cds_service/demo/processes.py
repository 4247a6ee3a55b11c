"""Server processes on loopback: started in a folder of their own, waited for, and always stopped. Knows no FHIR, no hooks."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from cds_service.errors import CdsServiceError

START_SECONDS = 40
STOP_SECONDS = 8


class DemoFault(CdsServiceError):
    """One line: what of the demo did not work."""


@contextmanager
def fhir_server(folder: Path) -> Iterator[str]:
    """A FHIR R4 server with nothing in it, without simulator or authentication. Yields its base address."""
    port = free_port()
    base = f"http://127.0.0.1:{port}/fhir"
    settings = folder / "settings.yaml"
    settings.write_text(
        f"base_url: {base}\nhost: 127.0.0.1\nport: {port}\ndata_dir: {folder}\nlog_inbound: false\nsimulator: {{enabled: false}}\n",
        encoding="utf-8",
    )
    command = ["-m", "uvicorn", "sekmet.main:app_factory", "--factory", "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    with _running("the FHIR server", command, f"{base}/metadata", folder, {"SEKMET_CONFIG": str(settings)}):
        yield base


@contextmanager
def service(folder: Path, as_of: str) -> Iterator[str]:
    """This service in sandbox mode. Yields its base address."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    command = ["-m", "cds_service", "serve", "--port", str(port), "--sandbox", "--as-of", as_of]
    with _running("the service", command, f"{base}/cds-services", folder, {"CDS_FHIR_HOSTS": "127.0.0.1", "CDS_FETCH_BUDGET": "20"}):
        yield base


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(name: str, arguments: list[str], ready: str, folder: Path, extra: Mapping[str, str]) -> Iterator[None]:
    log = folder / f"{name.rsplit(' ', 1)[-1]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 -- our own interpreter and fixed arguments
            [sys.executable, *arguments],
            cwd=folder,
            env={**os.environ, **extra},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C reaches us alone, and we stop them in order
        )
        try:
            _wait(name, process, ready, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(name: str, process: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    """Until it answers. A process that ends instead is told with the last line it wrote."""
    deadline = time.monotonic() + START_SECONDS
    with requests.Session() as session:
        session.trust_env = False  # a proxy has no business on loopback
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(requests.RequestException):  # not listening yet: the next round asks again
                if session.get(ready, timeout=2).ok:
                    return
            time.sleep(0.1)
    written = log.read_text(errors="replace").strip().splitlines()
    raise DemoFault(f"{name} did not start{': ' + written[-1] if written else ''}")
