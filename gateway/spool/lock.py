"""One process per spool folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from gateway.spool.errors import SpoolError


class FolderLock:
    """An exclusive flock on `<folder>/lock`, which names its holder's process id. Ends with the process."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @classmethod
    def take(cls, folder: Path) -> FolderLock:
        """The lock. SpoolError where another holds it; OSError where the folder cannot be used."""
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise SpoolError(
                f"the spool is in use by process {holder}",
                str(folder),
                "Stop that gateway first, or give this one a spool folder of its own.",
            ) from None
        except BaseException:
            os.close(handle)
            raise
        name = f"{os.getpid():<19}\n".encode()
        if os.pread(handle, len(name) + 1, 0) != name:
            with contextlib.suppress(OSError):  # on a full disk the lock holds without a name
                os.pwrite(handle, name, 0)
        return cls(handle)

    def release(self) -> None:
        """Let go. Twice is once."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
