"""No schedule ends with an unsettled number for ever, or with a settled one that is nowhere.

Crashes of every part between any two of its durable steps; messages lost, doubled and out of order; a broker and a
database that forget what they said yes to; cards put back, ledgers deleted. In the tests it plays the same few
schedules each time; `make model` (LANNA_MODEL: how many) plays others, and longer ones.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.model.verdict import check
from tests.model.world import LINES, World

SCHEDULES = int(os.environ.get("LANNA_MODEL", "0"))
PHASES = tuple(Phase) if SCHEDULES else (Phase.generate,)
"""In the tests a failure is shown as it was found: to shorten it takes minutes."""
CLASSES = ("air", "water")
few = st.integers(1, 12)
amid = st.sampled_from([None, None, 0.005, 0.3, 1.5, 5.0])
"""Seconds after readings were recorded while all was well; None: as it is."""
lines = st.sampled_from(LINES)


def when(condition: str) -> object:
    """A rule for worlds in which this part is there: "node", "backbone" or "image"."""
    return precondition(lambda self: getattr(self.world, condition) is not None)


class Protocol(RuleBasedStateMachine):
    """Rules are what can happen; `teardown` lets everything heal and looks at the books."""

    world: World

    @initialize(
        confirm=st.sampled_from(["stored", "stored", "stored", "broker"]),
        max_bytes=st.sampled_from([1 << 16, 1 << 20, 1 << 20]),
        flush_s=st.sampled_from([0.0, 12.0]),
        receive_maximum=st.sampled_from([2, 100, 100]),
        maximum_packet=st.sampled_from([None, None, 600]),
        is_mild=st.booleans(),
        seed=st.integers(0, 1 << 16),
    )
    def begin(self, **options: Any) -> None:
        self.world = World(**options)
        self.world.mend()
        self.world.wait(1.0)  # a broker to which nobody has subscribed forgets all it is given

    def work(self, amid_s: float | None) -> None:
        """What follows shall happen in the midst of work."""
        if amid_s is not None:
            self.world.mend()
            self.world.record(8, "water", 0.0)
            self.world.wait(amid_s)

    # What goes well.

    @rule(count=few, rounds=st.integers(1, 6))
    def go_on(self, count: int, rounds: int) -> None:
        """All parts are up, and what is recorded makes its way."""
        self.world.mend()
        for _ in range(rounds):
            self.world.record(count, "water")
            self.world.wait(3.0)

    @when("node")
    @rule(count=st.one_of(few, few, st.integers(30, 120)), device_class=st.sampled_from(CLASSES))
    def record(self, count: int, device_class: str) -> None:
        self.world.record(count, device_class)

    @rule(seconds=st.sampled_from([0.001, 0.003, 0.3, 1.5, 3.0, 40.0, 70.0, 200.0, 600.0]))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    # The node.

    @when("node")
    @rule()
    def record_poison(self) -> None:
        self.world.node.record_poison()  # type: ignore[union-attr]

    @when("node")
    @rule(amid_s=amid, cuts_power=st.booleans(), comes_back=st.sampled_from([True, True, False]))
    def kill_node(self, amid_s: float | None, cuts_power: bool, comes_back: bool) -> None:
        self.work(amid_s)
        if self.world.node is not None:  # it may have been armed
            self.world.kill_node(cuts_power=cuts_power)
        if comes_back:
            self.world.start_node()

    @when("node")
    @rule(operations=st.integers(1, 40), cuts_power=st.booleans())
    def arm_node(self, operations: int, cuts_power: bool) -> None:
        self.world.arm_node(operations, cuts_power=cuts_power)

    @precondition(lambda self: self.world.node is None)
    @rule()
    def start_node(self) -> None:
        self.world.start_node()

    # Its card.

    @when("node")
    @rule()
    def copy_card(self) -> None:
        self.world.copy_card()

    @when("image")
    @rule(count=few, restarts=st.booleans(), is_cleared=st.booleans())
    def put_card_back(self, count: int, restarts: bool, is_cleared: bool) -> None:
        self.world.put_card_back(count, restarts, is_cleared)

    @when("node")
    @rule(count=few, restarts=st.booleans(), is_cleared=st.booleans())
    def live_twice(self, count: int, restarts: bool, is_cleared: bool) -> None:
        """The card is copied, its node goes on and is heard, and the copy takes its place."""
        self.copy_card()
        self.go_on(count, 2)
        self.put_card_back(count, restarts, is_cleared)

    # The lines and the broker.

    @rule(amid_s=amid, line=lines, what=st.sampled_from(["hole", "mend", "reset"]))
    def touch_line(self, amid_s: float | None, line: str, what: str) -> None:
        self.work(amid_s)
        getattr(self.world.network, what)(line)

    @when("node")
    @rule(hundreds=st.integers(1, 9))
    def outage(self, hundreds: int) -> None:
        """More is recorded than a small spool holds."""
        self.world.network.hole(LINES[0])
        self.world.wait(50.0)
        for _ in range(hundreds):
            self.world.record(100, "water")
        self.world.network.mend(LINES[0])

    @rule(line=lines, delay_s=st.sampled_from([0.002, 0.2, 1.0]))
    def slow_line(self, line: str, delay_s: float) -> None:
        self.world.network.way(line).delay_s = delay_s

    @rule(amid_s=amid, retained=st.booleans(), queues=st.booleans(), sessions=st.booleans(), comes_back=st.booleans())
    def crash_broker(self, amid_s: float | None, comes_back: bool, **forgets: bool) -> None:
        self.work(amid_s)
        if self.world.broker.is_up:
            self.world.end_broker(**forgets)
        if comes_back:
            self.world.broker.start()

    @rule(classes=st.sets(st.sampled_from([*CLASSES, "place"])))
    def refuse(self, classes: set[str]) -> None:
        self.world.broker.refused = classes

    @precondition(lambda self: bool(self.world.broker.waiting()))
    @rule(doubles=st.booleans())
    def disorder(self, doubles: bool) -> None:
        self.world.broker.disorder(self.world.rng, doubles=doubles)

    # The backbone.

    @when("backbone")
    @rule(amid_s=amid, comes_back=st.booleans())
    def kill_backbone(self, amid_s: float | None, comes_back: bool) -> None:
        self.work(amid_s)
        if self.world.backbone is not None:  # it may have been armed
            self.world.kill_backbone()
        if comes_back:
            self.world.start_backbone()

    @when("backbone")
    @rule(steps=st.integers(1, 30))
    def arm_backbone(self, steps: int) -> None:
        self.world.fuse.left = steps

    @precondition(lambda self: self.world.backbone is None)
    @rule()
    def start_backbone(self) -> None:
        self.world.start_backbone()

    @rule(amid_s=amid)
    def lose_ledger(self, amid_s: float | None) -> None:
        self.work(amid_s)
        self.world.lose_ledger()
        self.world.start_backbone()

    @rule(amid_s=amid, crashes=st.sampled_from([True, True, False]), comes_back=st.booleans())
    def end_database(self, amid_s: float | None, crashes: bool, comes_back: bool) -> None:
        """It ends in order, or with what it had not made durable."""
        self.work(amid_s)
        if self.world.database.is_up:
            self.world.end_database(crashes=crashes)
        if comes_back:
            self.world.database.start()

    @rule(count=few, crashes=st.booleans(), dies=st.booleans())
    def work_without_database(self, count: int, crashes: bool, dies: bool) -> None:
        """Readings come while it is away; ingest holds them, and perhaps dies with them."""
        self.world.mend()
        self.world.end_database(crashes=crashes)
        self.world.record(count, "water")
        self.world.wait(2.0)
        if dies and self.world.backbone is not None:
            self.world.kill_backbone()

    @rule(is_cutting=st.booleans())
    def cut_writes(self, is_cutting: bool) -> None:
        self.world.database.is_cutting = is_cutting

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.world.heal()
            check(self.world)
        finally:
            self.world.close()


Protocol.TestCase.settings = settings(
    max_examples=SCHEDULES or 40,
    stateful_step_count=80 if SCHEDULES else 40,
    deadline=None,
    phases=PHASES,
    suppress_health_check=list(HealthCheck),
    derandomize=not SCHEDULES,
    database=None,
)
TestProtocol = pytest.mark.filterwarnings("default")(Protocol.TestCase)
