"""`callcenter run --once` by a user without any rights: sets up, puts a real call through, ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from callcenter.asterisk.install import default_cache_dir
from callcenter.testing import faults
from callcenter.testing.instance import Instance

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(
        os.geteuid() != 0, reason="every other scenario shows it: this run is by a plain user"
    ),
]

NOBODY = 65534
HOUSE = Path(__file__).parents[3]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of nobody's that nobody can reach (pytest's own is closed to others)."""
    folder = Path(tempfile.mkdtemp(prefix="cc-nobody-"))
    folder.chmod(0o755)
    os.chown(folder, NOBODY, NOBODY)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _lend(source: Path, target: Path) -> None:
    """`source` where nobody can read it: as links, which costs nothing, else as a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for how in ("-al", "-a"):
        command = ["cp", how, str(source), str(target)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return
        shutil.rmtree(target, ignore_errors=True)
    raise AssertionError(f"{source} cannot be copied")


def _python(place: Path) -> tuple[Path, dict[str, str]]:
    """This interpreter and its packages as nobody may run them, however deep below /root."""
    base = Path(sys.base_prefix)
    _lend(Path(sysconfig.get_path("purelib")), place / "site")
    for part in ("callcenter", "dialplan", "asterisk-conf", "ivr_prompts", "migrations"):
        _lend(HOUSE / part, place / "house" / part)
    environment = {"PYTHONPATH": f"{place / 'house'}:{place / 'site'}"}
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if base == Path("/usr"):
        return base / "bin" / version, environment
    _lend(base, place / "python")
    environment |= {
        "PYTHONHOME": str(place / "python"),
        "LD_LIBRARY_PATH": str(place / "python" / "lib"),
    }
    return place / "python" / "bin" / version, environment


async def test_run_once_as_nobody(place: Path) -> None:
    cache = place / "cache"
    _lend(default_cache_dir(), cache / "callcenter")
    os.chown(cache, NOBODY, NOBODY)
    os.chown(cache / "callcenter", NOBODY, NOBODY)
    python, environment = await asyncio.to_thread(_python, place)
    # Of the instance only its settings are used: free ports, a home of its own.
    ours = Instance(place / "home").environment
    process = await asyncio.create_subprocess_exec(
        *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
        *(str(python), "-m", "callcenter", "run", "--once"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=place,
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(place),
            "XDG_CACHE_HOME": str(cache),
            **{name: value for name, value in ours.items() if name.startswith("CALLCENTER_")},
            **environment,
        },
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timedelta(seconds=120).total_seconds()):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    told = output.decode("utf-8", "replace")
    assert process.returncode == 0, told
    for line in ("call_ended", "Case ", "Recording ", "sha256 "):
        assert line in told, told
    assert not faults.processes_of(place / "home")
    owners = {path.stat().st_uid for path in (place / "home").rglob("*")}
    assert owners == {NOBODY}
