"""Which spool a command means: a folder that is named, or the one that a configuration names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.places import configuration, fail
from gateway.ops.texts import say
from gateway.spool.errors import SpoolError
from gateway.spool.inspect import Look, look
from gateway.wire.topics import DEFAULT_ROOT


@dataclass(frozen=True, slots=True)
class Target:
    """A spool's folder, and what its configuration says beside; `config` is None where only the folder is known."""

    folder: Path
    config: Path | None = None
    node: str = ""
    root: str = DEFAULT_ROOT
    max_bytes: int | None = None


def find(said: Path | None) -> Target:
    """The spool of the folder or configuration `said`, or the default one. Ends the command (exit 2) with a remedy."""
    if said is not None and is_spool(said):
        return Target(said.resolve())
    path = configuration(said)
    from gateway.config import check

    config, problems = check(path)
    errors = [str(problem) for problem in problems if not problem.is_warning]
    if config is None or errors:
        fail("\n".join(errors))
    if config.node is None:
        fail(say("spool.no_node", file=path))
    root = config.mqtt.root if config.mqtt is not None else DEFAULT_ROOT
    return Target(Path(config.spool.path).resolve(), path, config.node.id, root, config.spool.max_bytes)


def is_spool(path: Path) -> bool:
    """True for a folder that looks like a spool's."""
    try:
        return path.is_dir() and ((path / "lock").exists() or any(path.glob("*.seg")))
    except OSError:
        return False


def look_at(target: Target) -> Look:
    """The spool as it is now. Ends the command where there is none (2) or it cannot be read (1)."""
    with troubles(2):
        return look(target.folder)


@contextmanager
def troubles(code: int = 1) -> Iterator[None]:
    """Ends the command with the reason where the spool or its disk cannot serve."""
    try:
        yield
    except SpoolError as error:
        fail(str(error), code)
    except OSError as error:
        fail(say("spool.unreadable", file=error.filename or "", why=error.strerror or str(error)), 1)
