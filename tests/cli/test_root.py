"""The root as a user meets it: a process, its output and its exit code."""

import os
import subprocess
import sys
import time
import types

import pytest
from typer.testing import CliRunner

from gateway.cli.root import COMMANDS, build, take_language
from gateway.config import ConfigError, Problem
from gateway.ingest.ledger import LedgerError
from gateway.ops import texts


@pytest.fixture(autouse=True)
def _default_language():
    yield
    texts.set_language(None)


def gateway(*args, env=None, **more):
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(env or {})}
    command = [sys.executable, "-m", "gateway", *args]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False, **more)


def test_help_lists_every_command_and_imports_none():
    code = (
        "import sys, gateway.cli\nsys.argv = ['gateway', '--help']\n"
        "try:\n    gateway.cli.main()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'pydantic', 'msgspec', 'aiomqtt', 'asyncio', 'rich', 'gateway.cli.tail', 'gateway.config'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    assert "..." not in done.stdout.partition("Commands:")[2]
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_is_quick():
    best = 9.0
    for _ in range(3):
        start = time.perf_counter()
        assert gateway("--help").returncode == 0
        best = min(best, time.perf_counter() - start)
    assert best < 0.4


def test_language_wherever_it_stands():
    thai = gateway("--lang", "th", "run", env={"LANNA_CONFIG": ""})
    assert thai.returncode == 2
    assert "ไม่พบไฟล์ตั้งค่า" in thai.stderr
    assert gateway("run", "--lang=th").stderr == thai.stderr
    assert gateway("run", env={"LANG": "th_TH.UTF-8"}).stderr == thai.stderr
    assert gateway("--lang", "en", "run", env={"LANG": "th_TH.UTF-8"}).stderr.startswith("No configuration found")


def test_a_terminal_without_thai_does_not_end_the_program():
    environ = {"LANG": "th_TH", "PYTHONIOENCODING": "latin-1"}
    done = gateway("run", env=environ)
    assert done.returncode == 2
    assert "\\u0e44" in done.stderr


@pytest.mark.parametrize(
    ("args", "rest", "language"),
    [
        (["--lang", "th", "tail"], ["tail"], "th"),
        (["tail", "--lang=th", "--json"], ["tail", "--json"], "th"),
        (["tail", "--lang", "de"], ["tail", "--lang", "de"], "en"),
        (["tail", "--lang"], ["tail", "--lang"], "en"),
        (["a", "--", "--lang", "th"], ["a", "--", "--lang", "th"], "en"),
    ],
)
def test_take_language(args, rest, language, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    assert take_language(args) == rest
    assert texts.language() == language


def test_wrong_command_and_wrong_language():
    runner = CliRunner()
    wrong = runner.invoke(build(), ["tial"])
    assert wrong.exit_code == 2
    assert "Did you mean 'tail'" in wrong.output
    wrong = runner.invoke(build(), ["--lang", "de", "version"])
    assert wrong.exit_code == 2
    assert "--lang" in wrong.output


def test_version():
    done = CliRunner().invoke(build(), ["version"])
    assert done.exit_code == 0
    assert done.output.startswith("lanna-gateway ")
    assert '"version": "' in CliRunner().invoke(build(), ["version", "--json"]).output


def test_commands_share_one_plain_look():
    shown = CliRunner().invoke(build(), ["version", "--help"]).output
    assert "completion" not in shown
    assert "╭" not in shown


def test_a_reader_that_goes_away_is_no_error():
    code = (
        "import sys, types, typer\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def version():\n"
        "    while True:\n        print('x' * 100)\n"
        "module = types.ModuleType('gateway.cli.version'); module.app = app\n"
        "sys.modules['gateway.cli.version'] = module\n"
        "sys.argv = ['gateway', 'version']\n"
        "import gateway.cli; gateway.cli.main()"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout.read(10) == b"x" * 10
    child.stdout.close()
    errors = child.stderr.read()
    child.stderr.close()
    assert (child.wait(10), errors) == (141, b"")


@pytest.fixture
def program(monkeypatch):
    """A stand-in for the program that `run` starts."""
    composition = types.ModuleType("gateway.app")
    monkeypatch.setitem(sys.modules, "gateway.app", composition)
    monkeypatch.setattr("gateway.app", composition, raising=False)
    return composition


def test_run_hands_the_file_to_the_program(program, monkeypatch, tmp_path):
    ran = []
    program.run_file = ran.append
    file = tmp_path / "node.toml"
    assert CliRunner().invoke(build(), ["run", str(file)]).exit_code == 0
    monkeypatch.setenv("LANNA_CONFIG", str(tmp_path))
    assert CliRunner().invoke(build(), ["run"]).exit_code == 0
    assert ran == [file, tmp_path]


def test_what_cannot_run_says_why(program, tmp_path):
    def run_file(path):
        raise error

    program.run_file = run_file
    texts.set_language("en")
    error = ConfigError([Problem(tmp_path / "c.toml", 7, "node.id", "is missing")])
    done = CliRunner().invoke(build(), ["run", "c.toml"])
    assert (done.exit_code, done.output) == (2, f"{tmp_path / 'c.toml'}:7: node.id: is missing\n")
    error = LedgerError("another program uses the ledger")
    done = CliRunner().invoke(build(), ["run", "c.toml"])
    assert (done.exit_code, done.output) == (1, "Cannot run: another program uses the ledger\n")
    error = RuntimeError("a fault of ours keeps its traceback")
    assert CliRunner().invoke(build(), ["run", "c.toml"]).exception is error
