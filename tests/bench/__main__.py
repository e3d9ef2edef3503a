"""`make bench`: measured figures, one JSON line each, `{"name", "value", "unit"}`.

Every module beside this one has `run()`, which yields its figures. Name modules as arguments to run only those. Compare
figures of one run with each other; machines differ and are busy.
"""

import importlib
import json
import sys
from pathlib import Path


def main(names: list[str]) -> None:
    """Run the named modules, or all."""
    here = Path(__file__).parent
    known = sorted(path.stem for path in here.glob("*.py") if not path.stem.startswith("_"))
    unknown = set(names) - set(known)
    if unknown:
        sys.exit(f"no such bench: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name in names or known:
        for figure in importlib.import_module(f"tests.bench.{name}").run():
            print(json.dumps(figure), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
