"""How `gateway audit` shows its report to people: the verdict last, what is wrong just above it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo

import typer

from gateway.audit.account import STATES, Range
from gateway.audit.coverage import CAUSES, Coverage
from gateway.audit.report import DeviceReport, NodeReport, Report
from gateway.cli.printing import clock_name, numbers_option, print_table, when
from gateway.cli.readings import format_age
from gateway.cli.table import Cell, Column, Style, clean
from gateway.ops.texts import has, say
from gateway.wire.times import SECOND

_MOST_RANGES = 50
_STYLES: dict[str, Style] = {"missing": "fail", "lost": "suspect", "parked": "suspect"}


def print_report(report: Report, where: tzinfo, *, show_all: bool) -> None:
    """Nodes, devices by day, ranges that are not stored, verdict. `show_all`: also what is as it should be."""
    window = report.window
    typer.echo(
        say(
            "audit.title",
            begin=when(window.from_at, where),
            end=when(window.to_at, where),
            zone=clock_name(where),
            database=report.database,
            ledger=report.ledger or "-",
        )
    )
    if report.kept_from and window.from_at == report.kept_from:
        typer.echo(say("audit.cut"))
    shown = [node for node in report.nodes if show_all or any(node.count(state) for state in STATES) or _owes(node)]
    if not shown:
        typer.echo(say("audit.nothing"))
        return
    typer.echo("")
    _print_nodes(shown, window.now_at)
    _print_devices(shown)
    _print_ranges(shown, where, show_all=show_all)
    typer.echo("")
    _print_verdict(report)


def _owes(node: NodeReport) -> bool:
    return any(device.total.possible for device in node.devices)


def _print_nodes(nodes: Sequence[NodeReport], now_at: int) -> None:
    heads = ("node", "stored", "parked", "lost", "missing", "not_yet_due", "complete", "heard")
    columns = [Column(say(f"audit.head_{head}"), 7, 34, "left" if head == "node" else "right") for head in heads]
    rows = []
    for node in nodes:
        cells: list[Cell | str] = [node.node]
        for state in STATES:
            count = node.count(state)
            cells.append(Cell(str(count), _STYLES.get(state, "") if count else "dim" if state != "stored" else ""))
        heard = format_age(max(0, now_at - node.heard_at) / SECOND) if node.heard_at is not None else "-"
        rows.append([*cells, _percent(node.completeness), heard])
    print_table(columns, rows)


def _print_devices(nodes: Sequence[NodeReport]) -> None:
    heads = ("node", "device", "day", "expected", "stored", *CAUSES, "complete")
    left = ("node", "device", "day")
    columns = [Column(say(f"audit.head_{head}"), 4, 34, "left" if head in left else "right") for head in heads]
    rows = [row for node in nodes for device in node.devices for row in _device_rows(node.node, device)]
    if rows:
        typer.echo("")
        print_table(columns, rows)
    for node in nodes:
        for device in node.devices:
            if count := device.facts.lost_in_air:
                typer.echo(say("audit.in_air", node=node.node, device=device.facts.device, count=count))


def _device_rows(node: str, device: DeviceReport) -> Iterator[list[Cell | str]]:
    days = list(device.days.items())
    if len(days) > 1:
        days.append((say("audit.total"), device.total))
    for name, each in days:
        if each.stored or each.possible:
            yield _device_row([node, device.facts.device, name], each)


def _device_row(names: list[str], each: Coverage) -> list[Cell | str]:
    cells: list[Cell | str] = [*names, "-" if each.expected is None else str(each.expected), str(each.stored)]
    for cause in CAUSES:
        count = each.absent[cause]
        style: Style = "suspect" if cause in ("late", "lost", "parked", "unexplained") else ""
        cells.append(Cell(str(count) if count else "·", style if count else "dim"))
    return [*cells, _percent(each.completeness)]


def _print_ranges(nodes: Sequence[NodeReport], where: tzinfo, *, show_all: bool) -> None:
    found = [
        (node.node, spool.spool, each)
        for node in nodes
        for spool in node.spools
        for each in spool.ranges
        if show_all or each.state not in ("stored", "not-yet-due") or each.reason
    ]
    if not found:
        return
    # What is unaccounted comes last, next to the verdict.
    found.sort(key=lambda row: row[2].state == "missing")
    heads = ("node", "spool", "state", "numbers", "count", "between", "reason")
    right = ("count",)
    columns = [Column(say(f"audit.head_{head}"), 5, 80, "right" if head in right else "left") for head in heads]
    typer.echo("")
    left_out = max(0, len(found) - _MOST_RANGES)
    print_table(columns, [_range_row(*row, where) for row in found[left_out:]])
    if left_out:
        typer.echo(say("audit.more_ranges", count=left_out))


def _range_row(node: str, spool: str, each: Range, where: tzinfo) -> list[Cell | str]:
    numbers = str(each.first) if each.first == each.last else f"{each.first}-{each.last}"
    style = _STYLES.get(each.state, "")
    return [
        *(node, spool, Cell(say(f"audit.state_{each.state}"), style), numbers, str(each.count)),
        f"{when(each.from_at, where) or '…'} – {when(each.to_at, where) or '…'}",
        _reason(each.reason),
    ]


def _reason(reason: str) -> str:
    return say(f"audit.reason_{reason}") if has(f"audit.reason_{reason}") else clean(reason)


def _print_verdict(report: Report) -> None:
    if report.is_accounted:
        typer.echo(say("audit.clean"))
        return
    if report.duplicated:
        typer.echo(say("audit.duplicated", count=report.duplicated))
    if report.unaccounted:
        typer.echo(say("audit.unaccounted", count=report.unaccounted))
        typer.echo(say("audit.remedy"))
        for node in report.nodes:
            for spool in node.spools:
                missing = [(each.first, each.last) for each in spool.ranges if each.state == "missing"]
                if missing:
                    numbers = numbers_option(missing)
                    typer.echo(f"  {node.node}: gateway spool replay --spool {spool.spool} --numbers {numbers}")


def _percent(value: float | None) -> str:
    # Cut, not rounded: 100 % means that nothing is absent.
    return "-" if value is None else "100 %" if value == 100 else f"{int(value * 100) / 100:.2f} %"
