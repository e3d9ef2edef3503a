"""What the audit asks of VictoriaMetrics. A number is a pair of samples, `…_seq` and `…_spool`, of one moment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from gateway.audit.descriptions import Description, description
from gateway.audit.facts import About, Kind, Row, StateChange
from gateway.ingest.notes import STATES
from gateway.wire.times import MS, SECOND
from gateway.wire.topics import CLASSES

Get = Callable[[str], str]
_WORDS = {float(number): word for word, number in STATES.items()}
_DAY_NS = 86_400 * SECOND
_MOST_REQUESTS = 400
_LOOK_BACK = "400d"
Labels = tuple[tuple[str, str], ...]


class VictoriaReader:
    """A gateway.audit.facts.Database; `get` fetches a path of the server."""

    name = "victoriametrics"

    def __init__(self, get: Get, *, retention_ns: int) -> None:
        self._get, self._retention_ns = get, retention_ns

    def kept_from(self, now_at: int) -> int:
        """The retention's edge, once something has come near to it; the server forgets by whole months."""
        edge = now_at - self._retention_ns
        if edge <= 0:
            return 0
        names = f"^({'|'.join(sorted(CLASSES))})_seq$"
        query = {
            "match[]": f'{{__name__=~"{names}"}}',
            "start": _text(edge),
            "end": _text(edge + _DAY_NS),
            "limit": "1",
        }
        return edge if json.loads(self._get(f"/api/v1/series?{urlencode(query)}"))["data"] else 0

    def nodes(self, from_at: int, to_at: int) -> set[str]:
        """All values of the label."""
        query = {"start": _text(from_at), "end": _text(to_at)}
        return set(json.loads(self._get(f"/api/v1/label/node/values?{urlencode(query)}"))["data"])

    def rows(self, node: str, from_at: int, to_at: int) -> Iterator[Row]:
        """Readings and events, some days at a time."""
        names = f"^({'|'.join([*sorted(CLASSES), 'event', 'undated'])})_(seq|spool)$"
        step = max(_DAY_NS, -(-(to_at - from_at) // _MOST_REQUESTS))
        for start in range(from_at, to_at, step):
            yield from self._some_rows(names, node, start, min(start + step, to_at))

    def _some_rows(self, names: str, node: str, from_at: int, to_at: int) -> Iterator[Row]:
        found: dict[tuple[str, Labels], dict[str, dict[int, float]]] = {}
        for labels, samples in self._export(names, _of(node), from_at, to_at):
            measurement, _, field = labels.pop("__name__").rpartition("_")
            key = measurement, tuple(sorted(labels.items()))
            found.setdefault(key, {}).setdefault(field, {}).update(samples)
        for (measurement, pairs), fields in found.items():
            labels, spools = dict(pairs), fields.get("spool", {})
            kind: Kind = measurement if measurement in ("event", "undated") else "reading"  # type: ignore[assignment]  # one of the two
            device_class = labels.get("class", measurement)
            for at_ms, seq in fields.get("seq", {}).items():
                # A seq without its spool is half a point; it counts for nobody.
                if at_ms in spools:
                    device = labels.get("device", "")
                    yield Row(f"{int(spools[at_ms]):08x}", int(seq), at_ms * MS, device_class, device, kind)

    def states(self, node: str, from_at: int, to_at: int) -> list[StateChange]:
        """From the state events."""
        after: dict[tuple[str, int], str | None] = {}
        before: dict[tuple[str, int], str | None] = {}
        for labels, samples in self._export("^event_(state|before)$", _of(node), from_at, to_at):
            place = after if labels["__name__"] == "event_state" else before
            place |= {(labels.get("device", ""), at_ms): _WORDS.get(value) for at_ms, value in samples.items()}
        found = [
            StateChange(device, at_ms * MS, word, before.get((device, at_ms)))
            for (device, at_ms), word in after.items()
            if word is not None
        ]
        query = f'last_over_time(event_state{{node="{node}"}}[{_LOOK_BACK}])'
        for labels, value in self._ask(query, from_at):
            if (word := _WORDS.get(value)) is not None:
                # When it was does not matter, only that it was before; and it was no start.
                found.append(StateChange(labels.get("device", ""), from_at - MS, word, word))
        return found

    def lost_in_air(self, node: str, from_at: int, to_at: int) -> dict[str, int]:
        """From the events."""
        found: dict[str, int] = {}
        for labels, samples in self._export("^event_count$", f'{_of(node)},event="lost-in-air"', from_at, to_at):
            device = labels.get("device", "")
            found[device] = found.get(device, 0) + int(sum(samples.values()))
        return found

    def abouts(self, node: str, to_at: int) -> list[About]:
        """Every revision."""
        found = []
        start = max(0, to_at - self._retention_ns)
        for labels, samples in self._export("^about_period_s$", _of(node), start, to_at):
            device, device_class = labels.get("device", ""), labels.get("class", "")
            found += [About(device, device_class, at_ms * MS, value) for at_ms, value in samples.items() if device]
        return found

    def descriptions(self, name: str, to_at: int) -> list[Description]:
        """Every telling: the series of one moment and with the same labels are one."""
        start = max(0, to_at - self._retention_ns)
        told: dict[tuple[Labels, int], dict[str, float]] = {}
        for match in (f'device="{name}"', f'node="{name}",device=""'):
            for labels, samples in self._export("^about_.+$", match, start, to_at):
                figure = labels.pop("__name__").removeprefix("about_")
                key = tuple(sorted(labels.items()))
                for at_ms, value in samples.items():
                    told.setdefault((key, at_ms), {})[figure] = value
        return [description(dict(labels), at_ms * MS, figures) for (labels, at_ms), figures in told.items()]

    def heard(self, node: str, from_at: int, to_at: int) -> dict[str, int]:
        """From the node's health."""
        window_s = max(1, (to_at - from_at) // SECOND)
        names = "node_health_(readings|spool_bytes)"
        query = f'tlast_over_time({{__name__=~"{names}",node="{node}"}}[{window_s}s])'
        return {labels.get("device", ""): int(value * SECOND) for labels, value in self._ask(query, to_at)}

    def _export(
        self, names: str, match: str, from_at: int, to_at: int
    ) -> Iterator[tuple[dict[str, str], dict[int, float]]]:
        """Labels and samples (time in ms → value) of each series with `from_at` <= t < `to_at`."""
        first_ms, last_ms = -(-from_at // MS), -(-to_at // MS) - 1
        if first_ms > last_ms:
            return
        query = {
            "match[]": f'{{__name__=~"{names}",{match}}}',
            "start": _text(first_ms * MS),
            "end": _text(last_ms * MS),
        }
        for line in self._get(f"/api/v1/export?{urlencode(query)}").splitlines():
            row = json.loads(line)
            yield row["metric"], dict(zip(row["timestamps"], row["values"], strict=True))

    def _ask(self, query: str, at: int) -> Iterator[tuple[dict[str, str], float]]:
        """Labels and value of each series in an instant query."""
        text = self._get(f"/api/v1/query?{urlencode({'query': query, 'time': _text(at)})}")
        result: list[dict[str, Any]] = json.loads(text)["data"]["result"]
        for row in result:
            yield row["metric"], float(row["value"][1])


def _of(node: str) -> str:
    return f'node="{node}"'


def _text(at: int) -> str:
    """A time as the server reads it, to the millisecond."""
    return f"{at // SECOND}.{at % SECOND // MS:03d}"
