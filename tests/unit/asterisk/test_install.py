"""Reading apt's sources and naming what is here; the download itself is proved by `make run`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callcenter.asterisk import install
from callcenter.asterisk.debian import ArchiveSource, debian_sources
from callcenter.asterisk.install import MissingProgram, PrivateRoot, locate, parse_version

pytestmark = pytest.mark.unit

DEB822 = """\
Types: deb
# http://commented.example/debian
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://vendor.example/apt
Suites: stable
Components: main
Signed-By: /etc/apt/keyrings/vendor.gpg
"""


def test_only_the_debian_archive_is_taken() -> None:
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert debian_sources({"debian.sources": DEB822}) == [
        ArchiveSource("http://archive.example/debian", keyring)
    ]


def test_one_line_format_with_options() -> None:
    text = (
        "# a comment\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://archive.example/debian trixie main contrib # x\n"
        "deb-src http://archive.example/debian trixie main\n"
        "deb https://packages.example trixie-vendor main\n"
    )
    assert debian_sources({"sources.list": text}) == [
        ArchiveSource("http://archive.example/debian", "/k.gpg")
    ]


def test_a_disabled_source_is_left_out() -> None:
    assert debian_sources({"d.sources": "Enabled: no\n" + DEB822.split("\n\n")[0]}) == []


def test_a_key_in_the_stanza_is_kept_whole() -> None:
    text = (
        "Types: deb\nURIs: http://a.example/debian/\nSuites: sid\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n"
    )
    (source,) = debian_sources({"d.sources": text})
    assert source.stanza("sid").endswith(
        "Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n"
    )
    assert "Suites: sid\n" in source.stanza("sid")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Asterisk 22.10.1~dfsg+~cs6.15-1", (22, 10, 1)),
        ("Asterisk certified/20.7-cert2", (20, 7)),
        ("Asterisk 16.28.0", (16, 28, 0)),
        ("command not found", ()),
    ],
)
def test_versions(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


def private_root(cache: Path, version: str, packages: str | None = None, end: str = "") -> Path:
    root = cache / f"asterisk-sid-{version}{end}"
    (root / "usr/lib64").mkdir(parents=True)
    (root / "usr/lib64" / install._LOADERS.get(install.platform.machine(), "ld.so")).touch()
    record = {"kind": "asterisk", "suite": "sid", "version": version}
    if packages is not None:
        record["packages"] = packages
    (root / "callcenter-root.json").write_text(json.dumps(record), encoding="utf-8")
    return root


def test_the_newest_finished_copy_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "locate_system_asterisk", lambda tools=None: None)
    private_root(tmp_path, "22.9.0")
    newest = private_root(tmp_path, "22.10.1")
    (tmp_path / "asterisk-sid-99.0").mkdir()  # no marker: never finished
    found = locate(tmp_path)
    assert found is not None
    assert found.root == PrivateRoot(newest)
    command = found.asterisk_command(Path("/c/asterisk.conf"))
    assert command[1] == "--library-path"
    assert command[-5:] == [f"{newest}/usr/sbin/asterisk", "-C", "/c/asterisk.conf", "-f", "-n"]


def test_nothing_here_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "locate_system_asterisk", lambda tools=None: None)
    assert locate(tmp_path) is None


def test_a_missing_tool_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "locate_system_asterisk", lambda tools=None: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    private_root(tmp_path, "22.10.1")
    found = locate(tmp_path)
    assert found is not None
    assert not found.has_tools
    with pytest.raises(MissingProgram, match="callcenter asterisk install"):
        found.sipp_command()


ALL = " ".join((*install.ASTERISK_PACKAGES, *install.TOOL_PACKAGES))


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a system Asterisk or tools."""
    monkeypatch.setattr(install, "locate_system_asterisk", lambda tools=None: None)


def with_everything(root: Path) -> Path:
    for name in ("usr/bin/sipp", "usr/bin/espeak-ng", install.FONT_FILES[0]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.usefixtures("alone")
def test_a_copy_that_lacks_a_package_is_followed_by_a_new_one_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = private_root(tmp_path, "22.10.1")
    (old / "usr/bin").mkdir()
    asked: list[tuple[str, ...]] = []

    def fetch(cache: Path, kind: str, suite: str, packages, progress) -> PrivateRoot:
        asked.append(tuple(packages))
        return PrivateRoot(with_everything(private_root(cache, "22.10.1", ALL, "-1f3a")))

    monkeypatch.setattr(install, "_fetch", fetch)
    said: list[str] = []
    found = install.install(tmp_path, said.append)
    assert asked == [tuple(ALL.split())]
    assert found.root is not None
    assert found.root.path != old
    assert found.fax_font().name == "wqy-microhei.ttc"
    assert old.is_dir(), "somebody may be running from it"
    # From now on nothing is fetched, and the new one is found first.
    assert install.install(tmp_path, said.append) == found
    assert len(asked) == 1


@pytest.mark.usefixtures("alone")
def test_without_a_network_the_older_copy_serves_on_without_the_font(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = private_root(tmp_path, "22.10.1")
    for name in ("usr/bin/sipp", "usr/bin/espeak-ng"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()

    def fetch(*_: object) -> PrivateRoot:
        raise install.CannotInstall("the Debian archive cannot be reached")

    monkeypatch.setattr(install, "_fetch", fetch)
    monkeypatch.setattr(install, "FONT_FILES", ("no/such/font.ttc",))
    said: list[str] = []
    found = install.install(tmp_path, said.append)
    assert found.root == PrivateRoot(root)
    assert any("font" in line for line in said)
    with pytest.raises(install.MissingFont, match="CALLCENTER_FAX_FONT"):
        found.fax_font()
