"""The composition root: reads the configuration, wires the parts, owns the tasks, and ends them in order."""

from gateway.app.run import run, run_file
from gateway.app.running import Running

__all__ = ["Running", "run", "run_file"]
