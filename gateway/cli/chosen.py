"""What commands that talk to the field are told: a driver, its options, an address, line settings, a port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from drivers.core import registry
from drivers.core.contract import Dialogue, Driver, Line, Options, Uplink
from gateway.cli.places import fail
from gateway.config.named import FILE, DriverFileError, read_file
from gateway.edge.control_place import closed_places
from gateway.ops.texts import say
from gateway.ports import Port, PortError, PortLost

if TYPE_CHECKING:
    from drivers.site import SiteMap
    from gateway.ports.findings import Finding

Parity = Literal["N", "E", "O"]
FAILED = 1

MAX_ADDRESS = 65535


def parse_address(text: str) -> int:
    """A bus address as a number: a letter is its code (SDI-12). Raises BadParameter."""
    if text.isascii() and text.isdigit() and int(text) <= MAX_ADDRESS:
        return int(text)
    if len(text) == 1 and text.isascii() and text.isalpha():
        return ord(text)
    raise typer.BadParameter(say("port_cmd.bad_address", found=text))


PortName = Annotated[str, typer.Argument(metavar="PORT", help=say("port_cmd.port"))]
DriverName = Annotated[str, typer.Argument(metavar="DRIVER", help=say("driver.name"))]
Baud = Annotated[int | None, typer.Option("--baud", min=50, max=4_000_000, help=say("port_cmd.baud"))]
ParityOption = Annotated[Parity | None, typer.Option("--parity", help=say("port_cmd.parity"))]
Stop = Annotated[int | None, typer.Option("--stop", min=1, max=2, help=say("port_cmd.stop"))]
Bits = Annotated[int | None, typer.Option("--bits", min=7, max=8, help=say("port_cmd.bits"))]
Address = Annotated[
    int | None, typer.Option("--address", metavar="ADDRESS", parser=parse_address, help=say("port_cmd.address"))
]
Settings = Annotated[list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help=say("driver.option"))]
AsJson = Annotated[bool, typer.Option("--json", help=say("cli.json"))]


def is_file(name: str) -> bool:
    """Whether a driver is called by the file that describes it."""
    return name.startswith(FILE) or name.endswith((".toml", ".py"))


def choose_file(name: str) -> SiteMap:
    """What a file of a site's own describes. Ends the command (exit 2) where that is no driver."""
    try:
        return read_file(Path(name.removeprefix(FILE)))
    except DriverFileError as error:
        fail(str(error))


def choose_driver(name: str) -> Driver:
    """The driver of this name, alias or file. Ends the command (exit 2) with the nearest where there is none."""
    if is_file(name):
        return choose_file(name).driver
    try:
        return registry.find(name)
    except registry.UnknownDriver as unknown:
        nearest = " " + say("driver.nearest", nearest=unknown.nearest) if unknown.nearest else ""
        fail(say("driver.unknown", name=name) + nearest)


def choose_wired(name: str) -> Driver:
    """As `choose_driver`, of those that stand at the end of a line."""
    driver = choose_driver(name)
    if isinstance(driver.kind, Uplink):
        fail(say("port_cmd.no_radio", driver=driver.name))
    return driver


def agree(driver: Driver, options: Options, address: int) -> None:
    """End the command (exit 2) where options make no sense together."""
    try:
        if isinstance(driver.kind, Dialogue):
            driver.kind.begin(address, options)
        elif isinstance(driver.kind, Uplink) and driver.kind.check is not None:
            driver.kind.check(options)
    except ValueError as error:
        fail(str(error))


def choose_options(driver: Driver, said: list[str] | None) -> Options:
    """All options of a driver, the said ones in place of their defaults. Ends the command (exit 2) at a wrong one."""
    return {name: option.default for name, option in driver.options.items()} | dict(
        parse_option(driver, text) for text in said or ()
    )


def parse_option(driver: Driver, text: str) -> tuple[str, str | int | float | bool]:
    """`key=value` as the driver's type. Ends the command (exit 2) where that cannot be."""
    key, sign, value = text.partition("=")
    option = driver.options.get(key)
    if not sign or option is None:
        close = get_close_matches(key, driver.options, n=1)
        nearest = " " + say("driver.nearest", nearest=close[0]) if close else ""
        fail(say("driver.unknown_option", option=text, driver=driver.name) + nearest)
    if option.choices and value not in option.choices:
        fail(say("driver.bad_option", option=key, expected=", ".join(option.choices)))
    kind: Callable[[str], Any] = type(option.default)
    try:
        return key, {"true": True, "false": False}[value] if kind is bool else kind(value)
    except (KeyError, ValueError):
        fail(say("driver.bad_option", option=key, expected="true, false" if kind is bool else kind.__name__))


def choose_line(known: Line, baud: int | None, bits: int | None, parity: Parity | None, stop: int | None) -> Line:
    """Known line settings with the said ones in their place."""
    return Line(baud or known.baud, bits or known.bits, parity or known.parity, stop or known.stop)


def line_text(line: Line) -> str:
    """`9600 8N1`."""
    return f"{line.baud} {line.bits}{line.parity}{line.stop:g}"


@asynccontextmanager
async def opened(url: str, line: Line) -> AsyncIterator[Port]:
    """The open port, given back in the end. Warns of what may be in the way; explains what is."""
    from gateway.ports import open_port

    found = _look(url)
    try:
        port = await open_port(url, line)
    except PortError as error:
        _warn(each for each in found if not each.blocks)
        explain(PortError(error.reason, error.port, error.detail, [each for each in found if each.blocks]))
        raise typer.Exit(FAILED) from None
    _warn(found)
    try:
        yield port
    finally:
        await port.close()


def _look(url: str) -> Sequence[Finding]:
    from gateway.ports.looking import look

    return look([url]).get(url, ())


def _warn(found: Iterable[Finding]) -> None:
    for finding in found:
        typer.echo(f"{say('config.warning')} {finding}", err=True)


def explain(error: PortError | PortLost) -> None:
    """Say why a port cannot be used, and who or what is in its way."""
    found = error.found if isinstance(error, PortError) else ()
    for each in found or (error,):
        typer.echo(str(each), err=True)
    if isinstance(error, PortError) and error.reason == "busy":
        for place in closed_places():
            typer.echo("  " + say("port_cmd.control_closed", path=place), err=True)
