"""Fixtures for the whole suite: real servers, and the rule that a missing one is never a silent green."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.rig.broker import Authority, IotcoreBroker, Mosquitto
from tests.rig.database import VictoriaMetrics
from tests.rig.process import MISSING, need_program

SHARED = Path(__file__).parents[2] / "shared" / "vectors"

# A busy machine is no failure, and a green run is green again.
settings.register_profile("project", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Comparison with the facts' own vector files is there only where those stand beside this repository."""
    return True if collection_path.name.startswith("test_shared_") and not SHARED.is_dir() else None


@pytest.fixture(scope="session", autouse=True)
def _own_control_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test comes near the control socket of this machine's own node."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANNA_CONTROL", str(tmp_path_factory.mktemp("control") / "socket"))
        yield


@pytest.fixture
def make_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Starts a mosquitto with the keyword arguments of `Mosquitto`; all are stopped at the test's end."""
    need_program("mosquitto", "mosquitto")
    started: list[Mosquitto] = []

    def make(**options: Any) -> Mosquitto:
        broker = Mosquitto(tmp_path / f"mosquitto-{len(started)}", **options)
        started.append(broker)
        return broker.start()

    try:
        yield make
    finally:
        for broker in started:
            broker.kill()  # nobody needs its data any more, and SIGTERM takes it 0.1 s


@pytest.fixture
def mosquitto(make_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A running mosquitto with persistence, anonymous, loopback, 100,000 queued and 1000 in flight a client."""
    return make_mosquitto(persistence=True)


@pytest.fixture
def victoria(tmp_path: Path) -> Iterator[VictoriaMetrics]:
    """A running, empty VictoriaMetrics with the flags that DESIGN section 7 asks for."""
    need_program("victoria-metrics", "victoria-metrics")
    with VictoriaMetrics(tmp_path / "victoria") as database:
        yield database


@pytest.fixture
def iotcore_broker() -> Iterator[IotcoreBroker]:
    """A running embedded broker (rumqttd), MQTT 3.1.1, loopback."""
    with IotcoreBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A throwaway certificate authority, one for the whole run."""
    need_program("openssl", "openssl")
    return Authority(tmp_path_factory.mktemp("authority"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """The markers `mosquitto` and `victoria` serve tests that start those servers in their own way."""
    for marker, program in (("mosquitto", "mosquitto"), ("victoria", "victoria-metrics")):
        if item.get_closest_marker(marker):
            need_program(program, program)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says at the end what was not tested for want of a server."""
    for package, count in sorted(Counter(MISSING).items()):
        terminalreporter.write_line(f"NOT TESTED: {count} tests need {package} (sudo apt-get install {package})")
