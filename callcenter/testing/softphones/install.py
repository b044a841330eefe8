"""How baresip, Chromium and JsSIP get here: privately, outside the clone, for tests only.

    <cache>/softphones-bookworm-5d0c…/   baresip and Chromium with their libraries
    <cache>/jssip-91ab…/phone.js         the browser phone, bundled

Chromium starts itself anew for each of its parts, so it cannot be started through a loader that
came with it, as Asterisk is: it uses the system's C library, and comes from the system's own
release of Debian, which was built for that library. baresip goes with it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callcenter.asterisk.debian import (
    CannotInstall,
    PrivateApt,
    debian_sources,
    read_apt_sources,
    unpack,
)
from callcenter.asterisk.install import default_cache_dir

PACKAGES: Final = ("baresip-core", "chromium")
PAGE: Final = Path(__file__).parent / "page"

#: Bytes: unpacked 830 MB, and the archives while they are fetched.
_DISK_NEEDED: Final = 1_500_000_000
#: What the system has of its own, in the version that fits its loader.
_SYSTEMS_OWN: Final = ("libc6_", "libc-bin_", "libgcc-s1_", "libstdc++6_", "dpkg_")
_MARKER: Final = "softphones.ready"
_NPM_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class SoftphonePrograms:
    """The private copy; `page` is the folder of the browser phone."""

    root: Path
    page: Path

    @property
    def baresip(self) -> Path:
        return self.root / "usr" / "bin" / "baresip"

    @property
    def baresip_modules(self) -> Path:
        return self.root / "usr" / "lib" / "baresip" / "modules"

    @property
    def chromium(self) -> Path:
        return self.root / "usr" / "lib" / "chromium" / "chromium"

    @property
    def environment(self) -> dict[str, str]:
        """Where the programs find their libraries."""
        libraries = self.root / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        return {**kept, "LD_LIBRARY_PATH": f"{libraries}:{libraries / 'pulseaudio'}"}


def install_softphones(cache_dir: Path | None = None) -> SoftphonePrograms:
    """Fetch what is missing; safe to call from several processes. Blocking, up to some minutes.

    Raises `CannotInstall` with what to do about it.
    """
    cache = cache_dir or default_cache_dir()
    cache.mkdir(parents=True, exist_ok=True)
    with _only_one(cache / "softphones.lock"):
        return SoftphonePrograms(root=_programs(cache), page=_page(cache))


def _programs(cache: Path) -> Path:
    suite = _release()
    root = cache / f"softphones-{suite}-{_key(' '.join(PACKAGES).encode())}"
    if (root / _MARKER).is_file():
        return root
    if shutil.disk_usage(cache).free < _DISK_NEEDED:
        raise CannotInstall(f"{cache}: the softphones of the tests need 1.5 GB of free disk.")
    sources = debian_sources(read_apt_sources())
    if not sources:
        raise CannotInstall("apt's sources name no Debian archive to fetch the softphones from.")
    with tempfile.TemporaryDirectory(prefix=".softphones-", dir=cache) as temporary:
        work = Path(temporary)
        apt = PrivateApt(work / "apt", sources[0], suite)
        apt.update()
        archives = [
            path
            for path in apt.download(PACKAGES, lambda _line: None)
            if not path.name.startswith(_SYSTEMS_OWN)
        ]
        fresh = work / "root"
        unpack(archives, fresh, lambda _line: None)
        programs = SoftphonePrograms(root=fresh, page=work)
        _run([str(programs.chromium), "--version"], programs.environment, seconds=60)
        _run([str(programs.baresip), "-t", "1", "-f", str(work)], programs.environment, seconds=60)
        (fresh / _MARKER).touch()
        shutil.rmtree(root, ignore_errors=True)
        fresh.rename(root)
    return root


def _page(cache: Path) -> Path:
    """JsSIP by its ordinary client, in the versions and with the hashes of package-lock.json."""
    sources = [PAGE / name for name in ("package-lock.json", "package.json", "phone.js")]
    goal = cache / f"jssip-{_key(b''.join(path.read_bytes() for path in sources))}"
    if (goal / "phone.js").is_file():
        return goal
    npm = shutil.which("npm")
    if npm is None:
        raise CannotInstall("npm is not here: the browser phone of the tests is fetched with it.")
    with tempfile.TemporaryDirectory(prefix=".jssip-", dir=cache) as temporary:
        work = Path(temporary)
        for path in sources:
            shutil.copy(path, work)
        environment = {**os.environ, "npm_config_cache": str(work / "npm")}
        _run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            environment,
            seconds=_NPM_SECONDS,
            folder=work,
        )
        esbuild = next((work / "node_modules" / "@esbuild").glob("*/bin/esbuild"))
        fresh = work / "page"
        bundle = [str(esbuild), "phone.js", "--bundle", "--format=iife"]
        _run([*bundle, f"--outfile={fresh}/phone.js"], environment, seconds=60, folder=work)
        shutil.copy(PAGE / "index.html", fresh)
        shutil.rmtree(goal, ignore_errors=True)
        fresh.rename(goal)
    return goal


def _release() -> str:
    """The codename of this Debian."""
    release = platform.freedesktop_os_release()
    if release.get("ID") != "debian" or "VERSION_CODENAME" not in release:
        raise CannotInstall(
            "The softphones of the tests are fetched from Debian, and this is "
            f"{release.get('PRETTY_NAME', 'another system')}."
        )
    return release["VERSION_CODENAME"]


def _key(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]


def _run(
    command: Sequence[str], environment: dict[str, str], *, seconds: int, folder: Path | None = None
) -> None:
    try:
        result = subprocess.run(  # noqa: S603 (arguments are ours, no shell)
            list(command),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstall(f"{command[0]}: {error}") from error
    if result.returncode:
        said = (result.stderr or result.stdout).strip()[-400:]
        raise CannotInstall(f"{command[0]} failed: {said}")


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
