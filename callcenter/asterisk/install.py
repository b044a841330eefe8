"""Where Asterisk, SIPp, espeak-ng and a Chinese font are on this machine, and how they get here.

A system Asterisk (20 or later, on PATH) is used where there is one. Otherwise a private copy of
Debian's package is unpacked into the cache, outside the clone, and started through the dynamic
loader that came with it: it needs no root and shares no library with the system.

    <cache>/asterisk-sid-22.10.1-1f3a…/   the private copy with SIPp, espeak-ng and the font
    <cache>/tools-sid-3.7.3-9c0b…/        these three only, beside a system Asterisk

The end of the name stands for the packages: a later version of ours that needs one more makes a
folder of its own and leaves the old one to whoever runs from it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from callcenter.asterisk.debian import (
    DISK_NEEDED,
    ArchiveSource,
    CannotInstall,
    PrivateApt,
    Progress,
    debian_sources,
    read_apt_sources,
    unpack,
)

SUITE = "sid"  # stable releases carry no asterisk package (bookworm, trixie)
MINIMUM_VERSION = (20,)
ASTERISK_PACKAGES = ("asterisk", "asterisk-core-sounds-en-wav", "asterisk-moh-opsound-wav")
#: sipp plays the citizen and the agent in the demo call and the tests, espeak-ng speaks prompts.
#: fonts-wqy-microhei draws Chinese and Latin on fax pages.
TOOL_PACKAGES = ("sip-tester", "espeak-ng", "fonts-wqy-microhei")
#: Where Debian's Chinese fonts lie, the one that is fetched first.
FONT_FILES = (
    "usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
)

_MARKER = "callcenter-root.json"
_LOADERS = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}


class MissingFont(CannotInstall):
    """No font for fax pages: run `callcenter asterisk install`, or set CALLCENTER_FAX_FONT."""

    slug = "missing-font"


class MissingProgram(CannotInstall):
    """A telephony program is not installed: run `callcenter asterisk install`."""

    slug = "missing-program"


@dataclass(frozen=True, slots=True)
class PrivateRoot:
    """A folder that holds unpacked Debian packages and the loader to start them with."""

    path: Path

    @property
    def library_dir(self) -> Path:
        return self.path / "usr" / "lib" / f"{platform.machine()}-linux-gnu"

    def command(self, program: str) -> list[str]:
        """How to start `usr/bin/sipp` and the like with the libraries of this root."""
        name = _LOADERS[platform.machine()]
        loader = self.path / "usr" / "lib64" / name
        if not loader.exists():
            loader = self.library_dir / name
        # Some libraries lie in a folder of their own (pulse); the plain one comes first.
        folders = [self.library_dir, self.library_dir / "pulseaudio"]
        path = ":".join(str(folder) for folder in folders)
        return [str(loader), "--library-path", path, str(self.path / program)]

    def has(self, program: str) -> bool:
        return (self.path / program).is_file()

    def holds(self, packages: Sequence[str]) -> bool:
        """Whether it was made with all of these; one of before the font names none."""
        return set(packages) <= set(self.record.get("packages", "").split())

    @property
    def record(self) -> dict[str, str]:
        """What the installer wrote last, after everything was checked."""
        try:
            loaded = json.loads((self.path / _MARKER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(key): str(value) for key, value in loaded.items()}


@dataclass(frozen=True, slots=True)
class Installation:
    """One usable Asterisk, and the tools beside it where they are installed."""

    version: str
    modules_dir: Path
    #: `astdatadir`: holds sounds/, moh/ and the XML documentation.
    data_dir: Path
    #: Set for a system Asterisk, None for the private one.
    binary: Path | None
    root: PrivateRoot | None

    @property
    def is_private(self) -> bool:
        return self.binary is None

    def asterisk_command(self, conf: Path) -> list[str]:
        """Start in the foreground with `conf` (an asterisk.conf); `-n`: no colours."""
        return [*self._asterisk(), "-C", str(conf), "-f", "-n"]

    def console_command(self, conf: Path, line: str) -> list[str]:
        """Say one line to a running Asterisk over its control socket."""
        return [*self._asterisk(), "-C", str(conf), "-r", "-x", line]

    def sipp_command(self) -> list[str]:
        return self._tool("sipp", "usr/bin/sipp")

    def espeak_command(self) -> list[str]:
        """espeak-ng, with `--path` to the voices of the private root (Mandarin is `-v cmn`)."""
        command = self._tool("espeak-ng", "usr/bin/espeak-ng")
        if self.root is not None and command[-1].startswith(str(self.root.path)):
            return [*command, f"--path={self.root.library_dir}"]
        return command

    def fax_font(self) -> Path:
        """A font with Chinese and Latin letters. Raises `MissingFont`."""
        roots = [Path("/")] if self.root is None else [self.root.path, Path("/")]
        for path in (root / name for root in roots for name in FONT_FILES):
            if path.is_file():
                return path
        raise MissingFont

    @property
    def has_font(self) -> bool:
        try:
            self.fax_font()
        except MissingFont:
            return False
        return True

    @property
    def has_tools(self) -> bool:
        try:
            self.sipp_command(), self.espeak_command()
        except MissingProgram:
            return False
        return True

    def _asterisk(self) -> list[str]:
        if self.binary is not None:
            return [str(self.binary)]
        assert self.root is not None
        return self.root.command("usr/sbin/asterisk")

    def _tool(self, name: str, relative: str) -> list[str]:
        if self.root is not None and self.root.has(relative):
            return self.root.command(relative)
        found = shutil.which(name)
        if found is None:
            raise MissingProgram(f"{name} is not installed: run `callcenter asterisk install`.")
        return [found]


def default_cache_dir() -> Path:
    """`${XDG_CACHE_HOME:-~/.cache}/callcenter`: outside every clone, shared by all of them."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "callcenter"


def parse_version(text: str) -> tuple[int, ...]:
    """`Asterisk 22.10.1~dfsg+~cs…` → (22, 10, 1); nothing recognisable → ()."""
    match = re.search(r"Asterisk\s+(?:certified[/-])?(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def locate_system_asterisk(tools: PrivateRoot | None = None) -> Installation | None:
    """The Asterisk on PATH if it is recent enough and its modules are found."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    found = shutil.which("asterisk", path=path)
    if found is None:
        return None
    version = parse_version(_output([found, "-V"]))
    if version < MINIMUM_VERSION:
        return None
    machine = platform.machine()
    configured = _directories(Path("/etc/asterisk/asterisk.conf"))
    modules = _first_with(
        "app_queue.so",
        configured.get("astmoddir"),
        f"/usr/lib/{machine}-linux-gnu/asterisk/modules",
        "/usr/lib/asterisk/modules",
        "/usr/lib64/asterisk/modules",
        "/usr/local/lib/asterisk/modules",
    )
    data = _first_with(
        "sounds", configured.get("astdatadir"), "/usr/share/asterisk", "/var/lib/asterisk"
    )
    if modules is None or data is None:
        return None
    return Installation(".".join(map(str, version)), modules, data, Path(found), tools)


def locate(cache_dir: Path | None = None) -> Installation | None:
    """What this machine has: the system's Asterisk first, else the newest private copy."""
    cache = cache_dir or default_cache_dir()
    system = locate_system_asterisk(_newest(cache, "tools") or _newest(cache, "asterisk"))
    if system is not None:
        return system
    root = _newest(cache, "asterisk")
    return None if root is None else _private(root)


def install(cache_dir: Path | None, progress: Progress) -> Installation:
    """Make sure Asterisk, SIPp, espeak-ng and the font are here; does nothing when they are."""
    cache = cache_dir or default_cache_dir()
    present = locate(cache)
    if present is not None and present.has_tools and present.has_font:
        return present
    try:
        if present is not None and not present.is_private:
            progress(f"using the system's Asterisk {present.version}; fetching what goes with it")
            install_private(cache, progress, kind="tools")
            system = locate(cache)
            assert system is not None
            return system
        return install_private(cache, progress)
    except CannotInstall as error:
        if present is None or not present.has_tools:
            raise
        # An older copy runs calls as well as before: only faxes cannot be drawn.
        progress(f"no font for faxes yet: {error.message}")
        return present


def install_private(
    cache_dir: Path, progress: Progress, *, kind: str = "asterisk", suite: str = SUITE
) -> Installation:
    """Install the private copy (`kind` "asterisk") or only the tools (`kind` "tools").

    Safe to call from two processes at once: the second waits and finds the work done.

    Raises CannotInstall with what to do about it.
    """
    if platform.machine() not in _LOADERS:
        raise CannotInstall(
            f"There is no private copy for {platform.machine()}: install Asterisk 20 or later."
        )
    packages = TOOL_PACKAGES if kind == "tools" else (*ASTERISK_PACKAGES, *TOOL_PACKAGES)
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _only_one(cache_dir / "install.lock", progress):
            root = _newest(cache_dir, kind)
            if root is None or not root.holds(packages):
                root = _fetch(cache_dir, kind, suite, packages, progress)
    except OSError as error:
        raise CannotInstall(
            f"Cannot write below {cache_dir}: {error.strerror or error}. "
            "Point XDG_CACHE_HOME at a folder of yours with 1 GB free."
        ) from error
    if kind == "tools":
        return Installation("", Path(), Path(), None, root)
    return _private(root)


def _fetch(
    cache: Path, kind: str, suite: str, packages: Sequence[str], progress: Progress
) -> PrivateRoot:
    free = shutil.disk_usage(cache).free
    if free < DISK_NEEDED:
        raise CannotInstall(
            f"{cache} has {free / 1e6:.0f} MB free, {DISK_NEEDED / 1e6:.0f} MB are needed: free "
            "some, or point XDG_CACHE_HOME at another disk."
        )
    sources = debian_sources(read_apt_sources())
    if not sources:
        raise CannotInstall(
            "apt's sources name no Debian archive: install Asterisk 20 or later (with sipp and "
            "espeak-ng) and put it on PATH."
        )
    # Beside the goal, so that the last step is one rename on the same disk.
    with tempfile.TemporaryDirectory(prefix=".install-", dir=cache) as temporary:
        work = Path(temporary)
        progress(f"reading the package list of Debian {suite}")
        apt = _first_that_answers(work, sources, suite)
        version = _upstream(apt.version_of(packages[0]))
        progress(f"downloading {packages[0]} {version} and what it stands on (about 110 MB)")
        archives = apt.download(packages, progress)
        root = PrivateRoot(work / "root")
        unpack(archives, root.path, progress)
        _finish(root, kind)
        record = {"kind": kind, "suite": suite, "version": version}
        record["packages"] = " ".join(sorted(packages))
        (root.path / _MARKER).write_text(json.dumps(record), encoding="utf-8")
        key = hashlib.sha256(record["packages"].encode()).hexdigest()[:8]
        goal = cache / f"{kind}-{suite}-{version}-{key}"
        if goal.exists():  # without a marker: an unfinished thing of an older version of ours
            shutil.rmtree(goal)
        root.path.chmod(0o755)
        root.path.rename(goal)
    progress(f"installed {goal}")
    return PrivateRoot(goal)


def _first_that_answers(work: Path, sources: Sequence[ArchiveSource], suite: str) -> PrivateApt:
    failure: CannotInstall | None = None
    for number, source in enumerate(sources):
        apt = PrivateApt(work / f"apt{number}", source, suite)
        try:
            apt.update()
        except CannotInstall as error:
            failure = failure or error
        else:
            return apt
    assert failure is not None
    raise failure


def _finish(root: PrivateRoot, kind: str) -> None:
    """Mend what maintainer scripts would have done, and see the programs start."""
    tools = [("usr/bin/sipp", "-v", "SIPp"), ("usr/bin/espeak-ng", "--version", "eSpeak")]
    if kind == "asterisk":
        sounds = root.path / "usr" / "share" / "asterisk" / "sounds"
        if not (sounds / "en").exists():
            # The package unpacks to the voice's name; Asterisk looks for the language's.
            (sounds / "en").symlink_to("en_US_f_Allison")
        tools.insert(0, ("usr/sbin/asterisk", "-V", "Asterisk"))
    for program, option, word in tools:
        said = _output([*root.command(program), option])
        if word not in said:
            raise CannotInstall(f"{program} was unpacked but does not start: {said.strip()[:300]}")


def _private(root: PrivateRoot) -> Installation:
    return Installation(
        version=root.record.get("version", ""),
        modules_dir=root.library_dir / "asterisk" / "modules",
        data_dir=root.path / "usr" / "share" / "asterisk",
        binary=None,
        root=root,
    )


def _newest(cache: Path, kind: str) -> PrivateRoot | None:
    roots = [PrivateRoot(path) for path in cache.glob(f"{kind}-*") if (path / _MARKER).is_file()]
    usable = [root for root in roots if root.record.get("kind") == kind]

    def age(root: PrivateRoot) -> tuple[bool, tuple[int, ...]]:
        version = tuple(int(part) for part in re.findall(r"\d+", root.record.get("version", "")))
        return root.holds(TOOL_PACKAGES), version

    return max(usable, key=age, default=None)


def _upstream(version: str) -> str:
    """`1:22.10.1~dfsg+~cs6-1` → `22.10.1`."""
    match = re.match(r"(?:\d+:)?v?(\d+(?:\.\d+)*)", version)
    return match[1] if match else "unknown"


@contextmanager
def _only_one(path: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock file; the lock goes with the process, so none is ever left behind."""
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another installation is under way: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _output(command: Sequence[str]) -> str:
    try:
        result = subprocess.run(  # noqa: S603 (a program we found or unpacked, no shell)
            list(command),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return result.stdout + result.stderr


def _first_with(name: str, *folders: str | None) -> Path | None:
    return next((Path(f) for f in folders if f and (Path(f) / name).exists()), None)


def _directories(conf: Path) -> dict[str, str]:
    """`key => value` lines of a system asterisk.conf; empty when it cannot be read."""
    try:
        text = conf.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = re.findall(r"^\s*(ast\w+)\s*=>?\s*([^;\s]+)", text, re.MULTILINE)
    return dict(pairs)
