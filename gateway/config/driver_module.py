"""A driver in a Python file of a site's own: the same module as a built-in's, its vectors beside it."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path

from drivers.core import registry, vectors
from drivers.core.contract import Driver
from drivers.site import SiteMap
from gateway.ops.texts import say


class ModuleError(ValueError):
    """A file that is no driver; the message names it and says why."""

    def __init__(self, path: object, why: object) -> None:
        super().__init__(say("driver.bad_module", path=path, why=why))


def load_module(path: Path) -> SiteMap:
    """Run the file; it must give one driver in DRIVERS. Raises ModuleError, and OSError where it cannot be read."""
    driver = _driver(path)
    beside = path.with_suffix(".vectors.toml")
    if not beside.is_file():
        return SiteMap(driver, vectors.Vectors())
    try:
        return SiteMap(driver, vectors.parse(beside.read_text("utf-8"), driver.name).of(driver.name))
    except (KeyError, TypeError, ValueError) as error:
        raise ModuleError(beside, error) from error


def _driver(path: Path) -> Driver:
    path.stat()
    name = f"lanna_site_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None, "a *.py has one"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look a module up by its name
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever somebody's code raises
        raise ModuleError(f"{path}:{_line(path, error)}", f"{type(error).__name__}: {error}") from error
    found = getattr(module, "DRIVERS", ())
    if not (isinstance(found, tuple) and len(found) == 1 and isinstance(found[0], Driver)):
        raise ModuleError(path, say("driver.one_driver"))
    driver: Driver = found[0]
    try:
        taken = registry.find(driver.name).name
    except registry.UnknownDriver:
        return driver
    raise ModuleError(path, say("driver_new.taken", name=driver.name, driver=taken))


def _line(path: Path, error: Exception) -> int:
    """Where in the file the error arose."""
    if isinstance(error, SyntaxError):
        return error.lineno or 0
    places = [place.lineno for place in traceback.extract_tb(error.__traceback__) if place.filename == str(path)]
    return (places[-1] if places else 0) or 0
