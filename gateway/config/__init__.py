"""What a process is told: TOML in, checked and frozen values out. `load(path)` is the way in."""

from gateway.config.load import check, load
from gateway.config.model import Config
from gateway.config.problems import ConfigError, Problem

__all__ = ["Config", "ConfigError", "Problem", "check", "load"]
