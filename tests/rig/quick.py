"""`gateway` with shorter patience, for tests that cannot wait minutes: `python -m tests.rig.quick run FILE`.

The environment says how much: TEST_GRACE_S, how long a hole may be open before the ledger calls it missing. All else
is the product's.
"""

from __future__ import annotations

import functools
import os
import sys


def main() -> None:
    """Patch and run."""
    from gateway.app import backbone
    from gateway.cli import main as command
    from gateway.ingest.pipeline import IngestSettings

    grace_s = float(os.environ.get("TEST_GRACE_S", "2"))
    backbone.IngestSettings = functools.partial(IngestSettings, grace_s=grace_s)  # type: ignore[assignment,misc]
    sys.argv[0] = "gateway"
    command()


if __name__ == "__main__":
    main()
