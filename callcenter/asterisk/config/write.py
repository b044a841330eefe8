"""The whole conf tree onto the disk, at once: a reload sees the old one or the new one.

<HOME>/asterisk/generations/<hash>/   asterisk-conf/ + dialplan/ + the generated files
<HOME>/asterisk/etc                   link to the generation in force
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from callcenter.asterisk.config.model import Paths, SwitchConfig
from callcenter.asterisk.config.render import render, run_dir
from callcenter.platform.errors import Misconfigured

REPOSITORY = Path(__file__).resolve().parents[3]
KEPT_GENERATIONS = 3

#: Who reads a conf file, by how its name begins.
_READERS = {
    "pjsip": "res_pjsip.so",
    "queues": "app_queue.so",
    "extensions": "pbx_config.so",
    "say": "app_playback.so",
}


def static_files(repository: Path = REPOSITORY) -> dict[str, str]:
    """What people wrote: asterisk-conf/*.conf and dialplan/*.conf, by file name."""
    found: dict[str, str] = {}
    for folder in ("asterisk-conf", "dialplan"):
        for path in sorted((repository / folder).glob("*.conf")):
            found[path.name] = path.read_text(encoding="utf-8")
    if "modules.conf" not in found:
        raise Misconfigured(f"{repository} holds no asterisk-conf/: is this a whole clone?")
    return found


def conf_tree(config: SwitchConfig, repository: Path = REPOSITORY) -> dict[str, str]:
    """Every file of the tree: the static ones and the generated ones."""
    static, generated = static_files(repository), render(config)
    both = static.keys() & generated.keys()
    if both:
        raise Misconfigured(f"written by hand and by us: {', '.join(sorted(both))}")
    return static | generated


def write_atomically(tree: Mapping[str, str], paths: Paths) -> bool:
    """Put `tree` in force on disk; False when it already was. The reload is the caller's."""
    for name in tree:
        if "/" in name or not name.endswith(".conf"):
            raise Misconfigured(f"{name!r} is no name of a conf file")
    generation = paths.generations / tree_key(tree)
    if paths.etc.is_symlink() and paths.etc.resolve() == generation.resolve():
        return False
    paths.generations.mkdir(parents=True, exist_ok=True)
    if generation.exists():
        _make_young(generation)
    else:
        _write(tree, generation, paths.etc)
    _point_to(generation, paths)
    _forget_old(paths, generation)
    return True


def tree_key(tree: Mapping[str, str]) -> str:
    """The name of a tree's generation: the same text, the same name."""
    return hashlib.sha256(
        b"".join(f"{name}\0{tree[name]}\0".encode() for name in sorted(tree))
    ).hexdigest()[:16]


def modules_of(
    before: Mapping[str, str], after: Mapping[str, str], modules: Sequence[str]
) -> tuple[str, ...]:
    """Those of `modules` that read a file in which the trees differ, in their order."""
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    readers = {_READERS.get(re.split(r"[_.]", name)[0], "") for name in changed}
    # What nobody is known to read may be anybody's.
    return tuple(modules) if "" in readers else tuple(m for m in modules if m in readers)


def restore(key: str, paths: Paths) -> bool:
    """Put an older generation in force on disk; False where it is not there any more."""
    generation = paths.generations / key
    if not generation.is_dir():
        return False
    _make_young(generation)
    _point_to(generation, paths)
    return True


def _make_young(generation: Path) -> None:
    # Back to an older one: Asterisk tells files apart by time and size, so they must be new; and
    # the folder too, so that it is not among the first to be forgotten.
    for path in (*generation.iterdir(), generation):
        path.touch()


def _point_to(generation: Path, paths: Paths) -> None:
    link = paths.asterisk / f".etc.{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(generation.relative_to(paths.asterisk))
    link.replace(paths.etc)
    _sync(paths.asterisk)


def prepare_directories(config: SwitchConfig) -> None:
    """Every folder Asterisk writes to; it makes none of them itself."""
    paths = config.paths
    paths.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in (
        paths.var / "agi-bin",
        paths.var / "keys",
        paths.spool / "tmp",
        paths.spool / "monitor",
        paths.asterisk / "cache",
        paths.log / "cdr-csv",
        paths.journal_dir,
        paths.recordings,
        paths.faxes_out,
        paths.faxes_in,
    ):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # cel_custom writes below astlogdir/cel-custom and nowhere else (before 22.9).
    link = paths.log / "cel-custom"
    if not link.is_symlink():
        link.symlink_to(paths.journal_dir)
    _make_run_dir(run_dir(config))


def apply(config: SwitchConfig, repository: Path = REPOSITORY) -> bool:
    """Folders and conf tree for `config`; True when something changed on disk."""
    tree = conf_tree(config, repository)
    prepare_directories(config)
    return write_atomically(tree, config.paths)


def _write(tree: Mapping[str, str], generation: Path, former: Path) -> None:
    """What is as in `former` is the same file under a second name: nothing of it to be synced, and
    Asterisk need not read it again.
    """
    temporary = generation.with_name(f".{generation.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700)
    for name, text in tree.items():
        if _is_there(former / name, text):
            (temporary / name).hardlink_to(former / name)
            continue
        # 0600 for all: pjsip_agents.conf, pjsip_trunk.conf and manager_user.conf hold secrets.
        handle = os.open(temporary / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    _sync(temporary)
    try:
        temporary.rename(generation)
    except OSError:  # another process wrote the same content first
        shutil.rmtree(temporary)
        if not generation.is_dir():
            raise


def _is_there(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode("utf-8")
    except OSError:
        return False


def _forget_old(paths: Paths, current: Path) -> None:
    others = [path for path in paths.generations.iterdir() if path != current]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[KEPT_GENERATIONS - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def _make_run_dir(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.lstat()
    # In /tmp anybody may have been first: a folder or link of another user is not ours to use.
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise Misconfigured(f"{folder} belongs to somebody else: choose a shorter CALLCENTER_HOME")
    folder.chmod(0o700)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
