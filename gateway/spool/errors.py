"""What can go wrong, in words a person can act on."""

from __future__ import annotations


class SpoolError(Exception):
    """Something about the spool's folder or disk that a person must know: what, where and the remedy."""

    def __init__(self, what: str, where: str, remedy: str) -> None:
        super().__init__(f"{what}: {where}. {remedy}")
        self.what, self.where, self.remedy = what, where, remedy


class SpoolFull(SpoolError):
    """An entry was refused because of `when_full = "drop-newest"`; its number is declared lost."""

    def __init__(self, number: int, reason: str, where: str) -> None:
        super().__init__(
            f"entry {number} refused, {reason}", where, "Let the outlets drain, free the disk, or raise max_size."
        )
        self.number, self.reason = number, reason
