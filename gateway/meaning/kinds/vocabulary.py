"""The step that every device has: are its values physically possible? All that most nodes need of this package."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.core.quantities import UnknownQuantity, quantity
from gateway.meaning.flags import GOOD
from gateway.meaning.kinds.parts import Base, Named
from gateway.meaning.steps import Context, Values

INSIDE: Mapping[str, int] = {"gross-range": GOOD}
"""The one result of most values; shared, so that it is known by identity."""
_OUTSIDE: Mapping[str, int] = {"gross-range": 4}
LARGEST = 1e15


class Vocabulary(Base):
    """Gross range by the vocabulary: 4 outside what is physically possible. Values without a span get no result."""

    def __init__(self, named: Named) -> None:
        super().__init__(named)
        self._spans: dict[str, tuple[float, float] | None] = {}

    def __call__(self, values: Values, context: Context) -> Values:
        spans, before, found = self._spans, values.results, {}
        for name, value in values.numbers.items():
            try:
                span = spans[name]
            except KeyError:
                span = spans[name] = span_of(name)
            if span is None:
                continue
            own = INSIDE if span[0] <= value <= span[1] else _OUTSIDE
            said = before.get(name)
            if said is None:
                found[name] = own
            elif said is not own and (own is _OUTSIDE or "gross-range" not in said):
                # A narrower range of the site's own stands.
                found[name] = {**said, **own}
        if not found:
            return values
        return Values(values.numbers, {**before, **found}, values.revised, values.events)


def span_of(name: str) -> tuple[float, float] | None:
    """What is physically possible; a register, a total and an amount are never below 0."""
    try:
        known = quantity(name)
    except UnknownQuantity:
        return None
    if known.span is None and known.kind in ("counter", "total", "increment"):
        return 0.0, LARGEST
    return known.span
