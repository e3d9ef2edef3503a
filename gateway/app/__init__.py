"""The composition root: reads the configuration, wires the parts, owns the tasks, and ends them in order."""

from gateway.app.run import Running, run, run_file

__all__ = ["Running", "run", "run_file"]
