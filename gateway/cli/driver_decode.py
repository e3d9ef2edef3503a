"""`gateway driver decode`: what a driver makes of bytes, and what each byte is for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from drivers.core import hearing
from drivers.core.contract import Decoded, Driver, Options, Polled, Rejection
from drivers.core.dissect import Part, dissect
from drivers.core.quantities import UnknownQuantity, quantity
from gateway.cli import driver_shown as shown
from gateway.cli.chosen import DriverName, Settings, agree, choose_driver, parse_option
from gateway.cli.places import fail
from gateway.cli.port_replay import decode as decode_records
from gateway.cli.printing import print_table
from gateway.cli.table import Column
from gateway.ops.texts import say
from gateway.ports.capture import CaptureError, read_file

_CELL_BYTES = 8
_MOST_NAMES = 4
_TEXT_SHARE = 0.8


def decode(
    name: DriverName,
    data: Annotated[str | None, typer.Option("--hex", metavar="HEX", help=say("driver.hex"))] = None,
    capture: Annotated[Path | None, typer.Option("--capture", metavar="FILE", help=say("driver.capture"))] = None,
    request: Annotated[str | None, typer.Option("--request", metavar="HEX", help=say("driver.request"))] = None,
    option: Settings = None,
    fport: Annotated[int | None, typer.Option("--fport", min=1, max=223, help=say("driver.fport"))] = None,
    as_json: Annotated[bool, typer.Option("--json", help=say("driver.decode_json"))] = False,
) -> None:
    """Run bytes through the code that stations use. Ends with 0 also where every frame was refused.

    JSON: {"readings": [{"values": {…}, "quality": {…}, "info": {…}}], "rejected": {"Integrity": 1},
    "discarded_bytes": 0, "bytes": [{"offset": 0, "hex": "42 4d", "kind": "fixed", "names": [], "label": "…"}]}. A radio
    reading with a time of its own has "at" or "age_s". "bytes" is empty where nothing could be told apart. An answer
    that may be one to several questions has "frames" and "note" in place of readings.
    """
    driver = choose_driver(name)
    options = dict(parse_option(driver, text) for text in option or ())
    agree(driver, options, driver.at(None))
    if (data is None) == (capture is None):
        fail(say("driver.hex_or_capture"))
    if capture is not None:
        _decode_capture(driver, capture, options, as_json=as_json)
        return
    assert data is not None
    received, question = _bytes("--hex", data), _bytes("--request", request) if request is not None else None
    frames: list[bytes] = []
    if isinstance(driver.kind, Polled):
        is_sure = True
        if question is None:
            question, is_sure = driver.kind.guess(received, options)
        elif not _is_question(driver.kind, question):
            fail(say("driver.bad_request", hex=question.hex(" ")))
        if not is_sure:
            framer = driver.kind.ask(question, options).framer()
            frames = [item for item in [*framer.feed(received), *framer.finish()] if isinstance(item, bytes)]
    if frames:
        heard = hearing.Heard([], [], 0, 0)
    elif isinstance(driver.kind, Polled) and request is None:
        heard = hearing.hear_joined(driver, received, options)
    else:
        heard = hearing.hear(driver, [received], options, question, ends=True, fport=fport)
    parts = [] if frames else _parts(driver, received, options, question, fport)
    if as_json:
        typer.echo(json.dumps(_facts(heard, frames, parts), ensure_ascii=False))
        return
    shown.explain(heard, [frame.hex() for frame in frames], say("driver.which_question") if frames else "")
    if parts:
        _show(parts, heard)


def _decode_capture(driver: Driver, file: Path, options: Options, *, as_json: bool) -> None:
    readings: list[Decoded] = []
    refusals: list[Rejection] = []
    try:
        for _, item in decode_records(driver, read_file(file), options):
            if isinstance(item, Decoded):
                readings.append(item)
            else:
                refusals.append(item)
    except CaptureError as error:
        fail(say("port.bad-capture", port=file, detail=str(error)))
    except OSError as error:
        fail(say("config.unreadable", reason=f"{file}: {error.strerror or error}"))
    heard = hearing.Heard(readings, refusals, 0, 0)
    if as_json:
        typer.echo(json.dumps(_facts(heard, (), ()), ensure_ascii=False))
    else:
        shown.explain(heard, (), "")


def _parts(driver: Driver, received: bytes, options: Options, question: bytes | None, fport: int | None) -> list[Part]:
    try:
        return dissect(driver, received, options, question, fport)
    except Rejection:
        return []


def _facts(heard: hearing.Heard, frames: Sequence[bytes], parts: Sequence[Part]) -> dict[str, Any]:
    readings = [
        {"values": dict(r.values), "quality": dict(r.quality), "info": dict(r.info)} | time
        for r, time in zip(heard.readings, shown.own_times(heard), strict=True)
    ]
    answer: dict[str, Any] = {
        "readings": readings,
        "rejected": Counter(refusal.reason for refusal in heard.refusals),
        "discarded_bytes": heard.discarded,
        "bytes": [_part_facts(part) for part in parts],
    }
    if frames:
        answer |= {"frames": [frame.hex() for frame in frames], "note": say("driver.which_question")}
    return answer


def _part_facts(part: Part) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "offset": part.offset,
        "hex": part.data.hex(" "),
        "kind": part.kind,
        "names": list(part.names),
        "label": part.label,
    }
    return facts if part.register is None else facts | {"register": part.register}


def _show(parts: Sequence[Part], heard: hearing.Heard) -> None:
    has_registers = any(part.register is not None for part in parts)
    everything = b"".join(part.data for part in parts)
    is_text = sum(0x20 <= byte < 0x7F or byte in b"\r\n" for byte in everything) >= _TEXT_SHARE * len(everything)
    columns = [
        Column(say("driver.head_offset"), align="right"),
        Column(say("driver.head_bytes")),
        *([Column(say("driver.head_register"), align="right")] if has_registers else ()),
        Column(say("driver.head_field"), most=60),
        Column(say("driver.head_value"), align="right", most=24),
        Column(say("driver.head_unit")),
    ]
    rows = []
    for part in parts:
        register = "" if part.register is None else str(part.register)
        for at, field, value, unit in _lines(part, heard):
            piece = part.data[at : at + _CELL_BYTES]
            offset = str(part.offset + at) if piece else ""
            middle = [register if at == 0 else ""] if has_registers else []
            rows.append([offset, _text(piece, is_text=is_text), *middle, field, value, unit])
    typer.echo("\n" + say("driver.each_byte"))
    print_table(columns, rows)


def _lines(part: Part, heard: hearing.Heard) -> list[tuple[int, str, str, str]]:
    """Offset inside the part, field, value and unit: as many lines as its bytes or its names need."""
    told = [_value(name, heard) for name in part.names[:_MOST_NAMES]]
    if len(part.names) > _MOST_NAMES:
        told.append((say("driver.more_fields", count=len(part.names) - _MOST_NAMES), "", ""))
    if not told:
        told = [(part.label or say(f"driver.part_{part.kind}"), "", "")]
    lines = max(len(told), -(-len(part.data) // _CELL_BYTES))
    return [(n * _CELL_BYTES, *(told[n] if n < len(told) else ("", "", ""))) for n in range(lines)]


def _value(name: str, heard: hearing.Heard) -> tuple[str, str, str]:
    mark, _, rest = name.partition(".")
    number, plain = (int(mark), rest) if mark.isdigit() and rest else (1, name)
    reading = heard.readings[number - 1] if number <= len(heard.readings) else None
    if reading is None:
        return name, "", ""
    if plain in reading.values:
        return name, f"{reading.values[plain]:.10g}", _unit(plain)
    if plain in reading.quality:
        return name, "-", _unit(plain)
    return name, str(reading.info.get(plain, "")), ""


def _unit(name: str) -> str:
    try:
        return quantity(name).unit
    except UnknownQuantity:
        return ""


def _text(piece: bytes, *, is_text: bool) -> str:
    """Hexadecimal, and where the frame is text its letters beside it."""
    if not is_text:
        return piece.hex(" ")
    return f"{piece.hex(' '):<{3 * _CELL_BYTES}} {''.join(chr(b) if 0x20 <= b < 0x7F else '.' for b in piece)}".rstrip()


def _bytes(key: str, text: str) -> bytes:
    plain = text.replace("0x", "").replace("0X", "").translate(str.maketrans("", "", ",:-_"))
    try:
        return bytes.fromhex(plain)
    except ValueError:
        fail(say("driver.bad_hex", key=key))


def _is_question(kind: Polled, data: bytes) -> bool:
    try:
        kind.ask(data, {})
    except Rejection:
        return False
    return True
