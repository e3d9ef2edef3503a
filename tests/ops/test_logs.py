"""Log lines: one an event, safe, limited, in journald's form where the journal reads."""

import io
import logging
import os
import re
import subprocess
import sys

import pytest

from gateway.ops import logs


@pytest.fixture(autouse=True)
def _as_before():
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    ours = {name: logging.getLogger(name).level for name in logs.OURS}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raising
    for name, old in ours.items():
        logging.getLogger(name).setLevel(old)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stream():
    return io.StringIO()


def test_a_plain_line(stream):
    logs.set_up(stream=stream)
    logging.getLogger("gateway.edge.station").warning("%s is silent for %d s", "pms-roof", 30)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING gateway\.edge\.station: pms-roof is silent for 30 s\n",
        stream.getvalue(),
    )


def test_levels(stream):
    logs.set_up("info", stream=stream)
    logging.getLogger("gateway.x").debug("no")
    logging.getLogger("gateway.x").info("yes")
    logging.getLogger("paho").info("no")
    logging.getLogger("paho").warning("yes")
    assert [line[-3:] for line in stream.getvalue().splitlines()] == ["yes", "yes"]
    logs.set_up("error", stream=stream)
    logging.getLogger("gateway.x").warning("no")
    logging.getLogger("paho").warning("no")
    logs.set_up("debug", stream=stream)
    logging.getLogger("gateway.x").debug("one")
    assert stream.getvalue().splitlines()[2:][0].endswith("gateway.x: one")
    assert len(stream.getvalue().splitlines()) == 3


def test_one_line_an_event_with_its_traceback(stream):
    logs.set_up(stream=stream)
    try:
        raise RuntimeError("first\nsecond \x1b[31m")
    except RuntimeError:
        logging.getLogger("gateway").exception("it broke:\r\n%s", "ที่นี่")
    [line] = stream.getvalue().splitlines()
    assert "it broke:  ที่นี่ | Traceback" in line
    assert "RuntimeError: first | second" in line
    assert "\x1b" not in line


def test_secrets_and_length(stream):
    logs.set_up(stream=stream)
    logging.getLogger("gateway").error(
        "mqtt://bob:geheim@host, Authorization: Token geheim, password=geheim; " + "x" * 9000
    )
    assert "geheim" not in stream.getvalue()
    assert "host" in stream.getvalue()
    assert len(stream.getvalue()) < logs.MAX_LINE + 100


def test_repeats_are_counted_and_told_later(stream, clock):
    limit = logs.set_up(stream=stream, clock=clock)
    log = logging.getLogger("gateway.ports")
    for number in range(100):
        log.warning("port %s lost", number)
        log.warning(f"frame {number} refused")
    assert len(stream.getvalue().splitlines()) == 2 * logs.BURST
    log.error("port %s lost", 1)
    assert len(stream.getvalue().splitlines()) == 2 * logs.BURST + 1
    clock.now += logs.WINDOW_S
    log.warning("port %s lost", 7)
    log.warning("port %s lost", 8)
    lines = stream.getvalue().splitlines()
    assert lines[-2].endswith("port 7 lost (and 95 more like this)")
    assert lines[-1].endswith("port 8 lost")
    assert limit.skipped == 190


def test_kinds_are_bounded_and_debug_is_free(clock, stream):
    limit = logs.set_up("debug", stream=stream, clock=clock)
    for number in range(3000):
        logging.getLogger(f"gateway.n{number}").warning("x")
        logging.getLogger("gateway").debug("y")
    assert len(limit._kinds) == logs.MAX_KEYS
    assert stream.getvalue().count("gateway: y") == 3000


def test_under_systemd_lines_carry_their_priority(tmp_path):
    code = (
        "import os, sys, logging\n"
        "facts = os.fstat(2); os.environ['JOURNAL_STREAM'] = f'{facts.st_dev}:{facts.st_ino}'\n"
        "from gateway.ops import logs; logs.set_up()\n"
        "log = logging.getLogger('gateway.app'); log.info('a'); log.warning('b'); log.error('c\\nd')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["<6>gateway.app: a", "<4>gateway.app: b", "<3>gateway.app: c d"]


def test_the_journals_name_alone_is_not_the_journal(stream, tmp_path):
    """A shell inside a service inherits the variable; its error output is something else."""
    with open(tmp_path / "log", "w") as file:
        facts = os.fstat(file.fileno())
        name = f"{facts.st_dev}:{facts.st_ino}"
        assert logs.is_journal(file, {"JOURNAL_STREAM": name})
        assert not logs.is_journal(file, {"JOURNAL_STREAM": "1:2"})
        assert not logs.is_journal(file, {})
    assert not logs.is_journal(stream, {"JOURNAL_STREAM": name})


def test_a_closed_error_output_ends_nothing():
    code = (
        "import os, logging\nfrom gateway.ops import logs\nlogs.set_up()\nos.close(2)\n"
        "for _ in range(3): logging.getLogger('gateway').error('x')\nprint('alive')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "alive\n"
