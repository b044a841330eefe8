"""A hotline that phones reach over TLS and browsers over secure WebSocket."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from callcenter.testing.instance import Instance, free_tcp_port
from callcenter.testing.softphones.install import SoftphonePrograms, install_softphones


@pytest.fixture(scope="session")
def programs() -> SoftphonePrograms:
    """baresip, Chromium and JsSIP: a failure to get them is a failure of the test."""
    return install_softphones()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "hotline.pem", folder / "hotline.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hotline(
    tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]
) -> AsyncIterator[Instance]:
    settings = {
        "TLS_CERTIFICATE": str(certificate[0]),
        "TLS_KEY": str(certificate[1]),
        "SIP_TLS_BIND": f"127.0.0.1:{free_tcp_port()}",
        "ASTERISK_HTTPS_BIND": f"127.0.0.1:{free_tcp_port()}",
    }
    async with Instance(tmp_path_factory.mktemp("secure"), settings) as instance:
        yield instance
