"""What runs in this process, for who watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.edge.node import Node
    from gateway.ingest.pipeline import Ingest


@dataclass(slots=True)
class Running:
    """The parts of this process, filled in as they start."""

    node: Node | None = None
    ingest: Ingest | None = None
