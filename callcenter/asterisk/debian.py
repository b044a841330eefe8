"""Fetch Debian programs into a private folder: no root needed, nothing of the system touched.

Apt runs with directories of its own and an empty package database, so that it downloads a program
together with everything it stands on, down to libc; `dpkg-deb -x` unpacks all of it into one root.
The archive's address is the one this machine already uses: only the suite is replaced, the
signature is checked as always (`Signed-By` is kept).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from callcenter.platform.errors import HotlineError

Progress = Callable[[str], None]

#: A download of 110 MB from a slow mirror; past this the network is as good as absent.
DOWNLOAD_SECONDS = 1200
#: Bytes: Asterisk with libraries, sounds, SIPp and espeak-ng unpacked, and the archives.
DISK_NEEDED = 700_000_000

_DEBIAN_SUITES = frozenset(
    {"bullseye", "bookworm", "trixie", "forky", "duke", "sid"}
    | {"oldstable", "stable", "testing", "unstable"}
)


class CannotInstall(HotlineError):
    """The private copy of Asterisk could not be installed."""

    slug = "cannot-install"


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """One place of apt's sources that holds the Debian archive."""

    uri: str
    #: Path of a keyring, or an armoured key with its continuation lines; empty: apt's own keyrings.
    signed_by: str
    trusted: bool = False

    def stanza(self, suite: str) -> str:
        """This source as deb822 text for another suite of the same archive."""
        lines = ["Types: deb", f"URIs: {self.uri}", f"Suites: {suite}", "Components: main"]
        if self.signed_by:
            lines.append(f"Signed-By: {self.signed_by}")
        if self.trusted:
            lines.append("Trusted: yes")
        return "\n".join(lines) + "\n"


def parse_deb822(text: str) -> Iterator[dict[str, str]]:
    """Stanzas of a `.sources` file; names in lower case, continuation lines kept."""
    stanza: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if stanza:
                yield stanza
            stanza, name = {}, ""
        elif line[0] in " \t" and name:
            stanza[name] += "\n" + line
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            stanza[name] = value.strip()


def parse_one_line(text: str) -> Iterator[dict[str, str]]:
    """Entries of a `.list` file, in the words of deb822."""
    for raw in text.splitlines():
        line = raw.split("#", 1)[0].strip()
        kind, _, rest = line.partition(" ")
        if kind != "deb":
            continue
        entry = {"types": "deb"}
        rest = rest.strip()
        if rest.startswith("["):
            options, _, rest = rest[1:].partition("]")
            for option in options.split():
                key, _, value = option.partition("=")
                entry[key.lower()] = value.replace(",", " ")
        words = rest.split()
        if len(words) >= 2:
            entry.update(uris=words[0], suites=words[1], components=" ".join(words[2:]))
            yield entry


def debian_sources(files: Mapping[str, str]) -> list[ArchiveSource]:
    """The Debian archive among apt's sources, the likeliest first.

    `files` maps a file name (its ending tells the format) to its text. Other vendors use suite
    names such as `stable` too: an address whose path ends in `/debian` and a Debian keyring win.
    """
    found: list[tuple[int, ArchiveSource]] = []
    for name, text in files.items():
        entries = parse_deb822(text) if name.endswith(".sources") else parse_one_line(text)
        for entry in entries:
            if "deb" not in entry.get("types", "").split():
                continue
            if entry.get("enabled", "yes").lower() in {"no", "false", "0"}:
                continue
            if not _DEBIAN_SUITES.intersection(entry.get("suites", "").split()):
                continue
            if "main" not in entry.get("components", "").split():
                continue
            signed_by = entry.get("signed-by", "")
            for uri in entry.get("uris", "").split():
                path = urlsplit(uri).path.rstrip("/")
                # Two strong signs; with neither of them it is somebody else's `stable main`.
                score = 2 * path.endswith("/debian") + ("debian-archive" in signed_by)
                if score:
                    trusted = entry.get("trusted", "no").lower() in {"yes", "true", "1"}
                    found.append((score, ArchiveSource(uri, signed_by, trusted)))
    found.sort(key=lambda pair: -pair[0])
    return list(dict.fromkeys(source for _, source in found))


def read_apt_sources(etc: Path = Path("/etc/apt")) -> dict[str, str]:
    """Every sources file apt itself would read."""
    paths = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    return {
        str(path): path.read_text(encoding="utf-8", errors="replace")
        for path in paths
        if path.suffix in {".list", ".sources"} and path.is_file()
    }


class PrivateApt:
    """apt with every directory of its own, below `work`."""

    def __init__(self, work: Path, source: ArchiveSource, suite: str) -> None:
        self._config = work / "apt.conf"
        self._archives = work / "cache" / "archives"
        for folder in ("etc/parts", "state/lists/partial", "cache/archives/partial", "log"):
            (work / folder).mkdir(parents=True, exist_ok=True)
        (work / "state" / "status").write_text("", encoding="utf-8")
        (work / "etc" / "parts" / "debian.sources").write_text(
            source.stanza(suite), encoding="utf-8"
        )
        # Read after the machine's own configuration (proxy settings stay in force). The hooks that
        # container images put there tidy the system's folders, which are none of our business.
        self._config.write_text(
            f"""\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Default-Release;
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{work}/etc/parts";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{work}/state";
Dir::State::status "{work}/state/status";
Dir::State::Lists "{work}/state/lists";
Dir::State::extended_states "{work}/state/extended_states";
Dir::Cache "{work}/cache";
Dir::Cache::archives "{work}/cache/archives";
Dir::Log "{work}/log";
Debug::NoLocking "1";
APT::Install-Recommends "0";
APT::Sandbox::User "";
APT::Get::Assume-Yes "1";
APT::Keep-Downloaded-Packages "1";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
""",
            encoding="utf-8",
        )

    def update(self) -> None:
        """Fetch the list of packages."""
        self._run("apt-get", "-q", "update", "-o", "APT::Update::Error-Mode=any")

    def version_of(self, package: str) -> str:
        """Candidate version, such as `1:22.10.1~dfsg+~cs6.15-1`."""
        for line in self._run("apt-cache", "policy", package).splitlines():
            word, _, value = line.strip().partition(" ")
            if word == "Candidate:" and value.strip() != "(none)":
                return value.strip()
        raise CannotInstall(
            f"The Debian archive of this machine has no package {package}: "
            "install Asterisk 20 or later yourself and put it on PATH."
        )

    def download(self, packages: Sequence[str], progress: Progress) -> list[Path]:
        """The packages and all they depend on, as files."""
        listed = self._run("apt-get", "-q", "--print-uris", "install", *packages)
        total = sum(1 for line in listed.splitlines() if line.startswith("'"))
        done = threading.Event()

        def report() -> None:
            while not done.wait(2.0):
                present = list(self._archives.glob("*.deb"))
                megabytes = sum(path.stat().st_size for path in present) / 1e6
                progress(f"downloaded {len(present)} of {total} packages, {megabytes:.0f} MB")

        reporter = threading.Thread(target=report, daemon=True)
        reporter.start()
        try:
            self._run("apt-get", "-q", "--download-only", "install", *packages)
        finally:
            done.set()
            reporter.join()
        return sorted(self._archives.glob("*.deb"))

    def _run(self, program: str, *arguments: str) -> str:
        path = shutil.which(program) or f"/usr/bin/{program}"
        try:
            result = subprocess.run(  # noqa: S603 (arguments are ours, no shell)
                [path, "-c", str(self._config), *arguments],
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_SECONDS,
                env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
                check=False,
            )
        except FileNotFoundError:
            raise CannotInstall(
                f"{program} is not here: this is no Debian machine. "
                "Install Asterisk 20 or later (with sipp and espeak-ng) and put it on PATH."
            ) from None
        except subprocess.TimeoutExpired:
            raise CannotInstall(
                f"{program} did not finish in {DOWNLOAD_SECONDS} s: check the network, try again."
            ) from None
        if result.returncode:
            raise CannotInstall(_explain(program, result.stderr or result.stdout))
        return result.stdout


def _explain(program: str, output: str) -> str:
    """What to do about a failure of apt, with the last words it said."""
    tail = " / ".join(line.strip() for line in output.strip().splitlines()[-3:])
    network = ("resolve", "connect", "Could not", "Failed to fetch", "timed out", "unreachable")
    if "No space left" in output:
        advice = "the disk is full: free 1 GB, or point XDG_CACHE_HOME at another disk."
    elif "Release file" in output and "not valid yet" in output:
        advice = "this machine's clock is behind the archive: set the clock."
    elif "NO_PUBKEY" in output or "not signed" in output:
        advice = "the archive's signature cannot be verified: install debian-archive-keyring."
    elif any(word in output for word in network):
        advice = "the Debian archive cannot be reached: check the network and apt's proxy settings."
    else:
        advice = "see apt's words at the end."
    return f"{program} failed; {advice} ({tail})"


def unpack(archives: Sequence[Path], root: Path, progress: Progress) -> None:
    """Unpack each archive into `root`; two at a time, more only wait for the disk."""
    root.mkdir(parents=True, exist_ok=True)
    # Debian has had /bin, /lib … as links into /usr since 2023; packages that still ship files
    # below the old names then land in the right place.
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).is_symlink() and not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    dpkg = shutil.which("dpkg-deb")
    if dpkg is None:
        raise CannotInstall("dpkg-deb is not here: install Asterisk 20 or later, put it on PATH.")

    def one(archive: Path) -> None:
        # dpkg-deb's own extraction would replace the links above by folders: tar keeps them.
        with subprocess.Popen(  # noqa: S603
            [dpkg, "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE
        ) as reader:
            result = subprocess.run(  # noqa: S603
                ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(root)],  # noqa: S607
                stdin=reader.stdout,
                capture_output=True,
                text=True,
                check=False,
            )
        if result.returncode or reader.returncode:
            raise CannotInstall(_explain(f"unpacking {archive.name}", result.stderr))

    with ThreadPoolExecutor(max_workers=2) as pool:
        for count, _ in enumerate(pool.map(one, archives), start=1):
            if count % 40 == 0 or count == len(archives):
                progress(f"unpacked {count} of {len(archives)} packages")
