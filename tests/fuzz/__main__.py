"""`make fuzz`: 100,000,000 random bytes through every framer; a line for each, exit 1 where one raises or grows."""

from __future__ import annotations

import sys
import traceback

from tests.fuzz.noise import framers, fuzz

BYTES = 100_000_000
FLAT_BYTES = 2_000_000
"""What the allocator of the language itself may come and go by."""


def main(size: int, names: list[str]) -> int:
    """Each framer in turn, or the named ones."""
    bad = 0
    print(f"{'framer of':28} {'MB':>5} {'frames':>8} {'refused':>9} {'held':>6} {'grown kB':>9} {'s':>6}")
    for name, driver, make in framers():
        if names and name not in names:
            continue
        try:
            done = fuzz(name, driver, make, size)
        except Exception:
            traceback.print_exc()
            bad += 1
            continue
        is_bad = done.grown_bytes > FLAT_BYTES or done.held > done.limit
        bad += is_bad
        print(
            f"{name:28} {done.bytes / 1e6:5.0f} {done.frames:8} {done.refused:9} {done.held:6}"
            f" {done.grown_bytes / 1000:9.0f} {done.seconds:6.0f}{'  BAD' if is_bad else ''}",
            flush=True,
        )
    print("no exception, memory flat" if not bad else f"{bad} framers failed")
    return int(bad > 0)


if __name__ == "__main__":
    size = int(float(sys.argv[1])) if len(sys.argv) > 1 else BYTES
    sys.exit(main(size, sys.argv[2:]))
