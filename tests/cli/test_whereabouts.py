"""The demo's note is believed only when it can only be our own."""

import json
import os

import pytest

from gateway.cli import whereabouts
from gateway.cli.whereabouts import Whereabouts


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def put(content: str, mode: int = 0o600) -> None:
    whereabouts.place().write_text(content)
    whereabouts.place().chmod(mode)


def good(**more) -> str:
    return json.dumps({"url": "mqtt://127.0.0.1:1883", "root": "lanna/v1", "pid": os.getpid(), **more})


def test_written_read_removed(folder):
    assert whereabouts.read() is None
    whereabouts.remove()
    whereabouts.write("mqtt://127.0.0.1:4000", "demo/v1")
    assert whereabouts.read() == Whereabouts("mqtt://127.0.0.1:4000", "demo/v1", os.getpid())
    assert whereabouts.place().stat().st_mode & 0o777 == 0o600
    whereabouts.write("mqtt://127.0.0.1:4001", "demo/v1")
    whereabouts.remove()
    assert list(folder.iterdir()) == []


def test_what_is_good_is_believed():
    put(good())
    assert whereabouts.read() is not None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        "[" * 4000,
        "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),
    ],
)
def test_nonsense_is_not_believed(content):
    put(content)
    assert whereabouts.read() is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": 1},
        {"url": "file:///etc/passwd"},
        {"pid": "1"},
        {"pid": 0},
        {"pid": -1},
        {"pid": 10**30},
        {"root": None},
        {"more": "x" * 5000},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_one_wrong_value_is_enough(wrong):
    put(good(**wrong))
    assert whereabouts.read() is None


def test_what_others_could_have_written_is_not_believed(folder):
    put(good(), mode=0o620)
    assert whereabouts.read() is None
    put(good(), mode=0o604)
    assert whereabouts.read() is None


def test_no_link_pipe_or_folder_is_followed(folder):
    real = folder / "real"
    real.write_text(good())
    real.chmod(0o600)
    place = whereabouts.place()
    place.symlink_to(real)
    assert whereabouts.read() is None
    place.unlink()
    os.mkfifo(place, 0o600)
    assert whereabouts.read() is None
    place.unlink()
    place.mkdir()
    assert whereabouts.read() is None


def test_a_file_of_somebody_else_is_not_believed(monkeypatch):
    put(good())
    place = whereabouts.place()
    monkeypatch.setattr(whereabouts, "place", lambda: place)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    assert whereabouts.read() is None


def test_the_demo_is_over():
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(pid, 0)
    put(good(pid=pid))
    assert whereabouts.read() is None


def test_another_demos_note_stays():
    put(good(pid=os.getppid()))
    whereabouts.remove()
    assert whereabouts.place().exists()
