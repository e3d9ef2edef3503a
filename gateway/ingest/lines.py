"""Line protocol: `measurement[,tag=value…] field=value[,field=value…] timestamp`, one point a line, times in ns.

Escaped are `,` and space in a measurement, `,` `=` and space in keys and tag values, `"` and backslash in text. Floats
are always written as floats (`37.0`), so that no field ever changes its type; integers end in `i`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite

from gateway.ingest.points import Note, Point

_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ ", "\n": "\\ ", "\r": "\\ "})
_KEY = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\=", "\n": "\\ ", "\r": "\\ "})
_TEXT = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": " ", "\r": " "})


def encode_line(
    measurement: str, tags: Mapping[str, str], fields: Mapping[str, float | int | bool | str], at: int
) -> str:
    """One line. Empty tag values are left out; line breaks become spaces, a tag's trailing backslash goes.

    Raises ValueError for no field at all, and for a number that is not finite.
    """
    if not fields:
        raise ValueError(f"a point of {measurement!r} has no field")
    head = measurement.translate(_MEASUREMENT)
    for key in sorted(tags):
        value = tags[key].rstrip("\\")
        if value:
            head += f",{key.translate(_KEY)}={value.translate(_KEY)}"
    return f"{head} {','.join(f'{key.translate(_KEY)}={_value(value)}' for key, value in fields.items())} {at}"


def _value(value: float | int | bool | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value.translate(_TEXT)}"'
    if isinstance(value, int):
        return f"{value}i"
    if not isfinite(value):
        raise ValueError(f"{value!r} has no form in line protocol")
    return repr(value)


def encode_note(note: Note) -> str:
    """The line of anything that is not a reading: node, class and device become tags where it has them."""
    origin = note.origin
    own = {"class": origin.device_class, "device": origin.device, "node": origin.node}
    fields = dict(note.fields)
    if note.seq:
        fields |= {"seq": note.seq, "spool": note.spool}
    return encode_line(note.measurement, {**note.tags, **own}, fields, note.stamp)


def encode_points(points: Iterable[Point | Note]) -> list[str]:
    """The lines of many points, in order."""
    lines = []
    for point in points:
        if type(point) is Point:
            origin, shape, values, at, seq, spool, is_dated = point
            prefix = origin.prefix if is_dated else origin.undated_prefix
            lines.append(prefix + shape.template % (*values, seq, spool, at + seq % 1_000_000))
        else:
            lines.append(encode_note(point))  # type: ignore[arg-type]  # the other half of the union
    return lines
