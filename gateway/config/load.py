"""Reading a configuration: a file or a folder of fragments in, a frozen `Config` or everything that is wrong out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import ValidationError

from drivers.core.contract import Driver
from gateway.config.cross import findings, warnings
from gateway.config.explain import explain, label
from gateway.config.machine import file_findings, port_findings
from gateway.config.model import Broker, Config, IngestBroker
from gateway.config.named import site_drivers
from gateway.config.problems import ConfigError, KeyPath, Problem
from gateway.config.source import Source, read
from gateway.ops.texts import say

KnownDrivers = Callable[[], Iterable[Driver]]


def _registered() -> Iterable[Driver]:
    from drivers.core.registry import drivers

    return drivers()


def load(path: Path, *, known_drivers: KnownDrivers = _registered) -> Config:
    """The configuration for running here: files it names must be there. Raises ConfigError with all that is wrong."""
    config, problems = check(path, known_drivers=known_drivers, is_here=True)
    errors = [problem for problem in problems if not problem.is_warning]
    if config is None or errors:
        raise ConfigError(errors)
    return config


def check(
    path: Path, *, known_drivers: KnownDrivers = _registered, is_here: bool = False, with_ports: bool = False
) -> tuple[Config | None, list[Problem]]:
    """The configuration, None where it has errors of form, and all findings in the order of files and lines.

    Unless the configuration is for here, files it names that are not on this machine are only a warning. `with_ports`
    warns also of what is in the way of its serial ports now.
    """
    source = read(path)
    if source.problems:  # what was not read would be missing everywhere else
        return None, _sorted(source.problems)
    problems: list[Problem] = []
    config: Config | None = None
    try:
        config = _one_box(Config.model_validate(source.tree, context={"folder": source.folder}))
    except ValidationError as error:
        problems += explain(source, error)
    except RecursionError:
        return None, [Problem(source.first, None, "", say("config.too_deep"))]
    site, wrong = site_drivers(source.tree, source.folder)
    problems += [_problem(source, ("device", number, "driver"), message) for number, message in wrong.items()]
    told = {(problem.file, problem.line, problem.key) for problem in problems}
    for key, message in findings(source.tree, (*known_drivers(), *site)):
        problem = _problem(source, key, message)
        if (problem.file, problem.line, problem.key) not in told:
            problems.append(problem)
    problems += [_problem(source, key, message, is_warning=True) for key, message in warnings(source.tree)]
    if config is not None:
        for key, message, is_absent in file_findings(config):
            problems.append(_problem(source, key, message, is_warning=is_absent and not is_here))
        if with_ports:
            problems += [_problem(source, key, message, is_warning=True) for key, message in port_findings(config)]
    return config, _sorted(problems)


def _one_box(config: Config) -> Config:
    """A backbone without a broker of its own shares the node's, under a client id of its own."""
    if config.ingest is None or config.ingest.mqtt is not None or config.mqtt is None:
        return config
    shared = {name: getattr(config.mqtt, name) for name in Broker.model_fields if name != "client_id"}
    mqtt = IngestBroker.model_validate({"url": config.mqtt.url}).model_copy(update=shared)
    return config.model_copy(update={"ingest": config.ingest.model_copy(update={"mqtt": mqtt})})


def _problem(source: Source, key: KeyPath, message: str, *, is_warning: bool = False) -> Problem:
    file, line = source.place(key)
    return Problem(file, line, label(key, source.tree), message, is_warning)


def _sorted(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (str(problem.file), problem.line or 0))
