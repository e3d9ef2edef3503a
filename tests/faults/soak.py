"""The soak: days of virtual time with faults of every kind at random, and a fault-free phase at the end."""

from __future__ import annotations

import asyncio
import errno
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.scenario import Finding, Form, Tally, scenario
from tests.rig.instrument import Name, everything_sent
from tests.rig.model_broker import ModelBroker
from tests.rig.oracle import Counts
from tests.rig.sim_world import BACKBONE, EDGE, SimWorld
from tests.rig.simulate import simulate
from tests.spool.simdisk import SimDisk, fail_with

MEAN_PAUSE_S = 900.0
HOUR_S = 3600.0


@dataclass(slots=True)
class Soak:
    """One world and its dice. Each fault ends by itself; several may be there at once."""

    w: SimWorld
    dice: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    excused: set[Name] = field(default_factory=set)
    """What was said while a card was in use that was then replaced by an older one."""
    busy: set[str] = field(default_factory=set)

    async def blow(self, end: float) -> None:
        """Faults until then; when this returns everything is whole again."""
        kinds: dict[str, tuple[float, Callable[[], Awaitable[None]]]] = {
            "link reset": (8, self._reset),
            "link hole": (6, self._hole),
            "slow link": (4, self._slow),
            "broker stop": (4, self._broker_stop),
            "broker kill": (4, self._broker_kill),
            "database stop": (4, self._database_stop),
            "database crash": (6, self._database_crash),
            "database cuts": (4, self._database_cuts),
            "ingest kill": (8, self._ingest_kill),
            "ledger lost": (1, self._ledger_lost),
            "edge kill": (8, self._edge_kill),
            "edge restart": (3, self._edge_restart),
            "power cut": (6, self._power_cut),
            "disk errors": (4, self._disk_errors),
            "clock step": (4, self._clock_step),
            "unplug": (3, self._unplug),
            "old card": (0.5, self._old_card),
        }
        names, weights = list(kinds), [weight for weight, _ in kinds.values()]
        async with asyncio.TaskGroup() as group:
            while self.w.loop.time() < end:
                await asyncio.sleep(self.dice.expovariate(1 / MEAN_PAUSE_S))
                name = self.dice.choices(names, weights)[0]
                part = name.split()[0]
                part = {"power": "edge", "old": "edge", "disk": "edge", "slow": "link", "ledger": "ingest"}.get(
                    part, part
                )
                if part not in self.busy and self.w.loop.time() < end:
                    self.counts[name] += 1
                    self.busy.add(part)
                    group.create_task(self._one(part, kinds[name][1]), name=name)

    async def _one(self, part: str, fault: Callable[[], Awaitable[None]]) -> None:
        try:
            await fault()
        finally:
            self.busy.discard(part)

    async def _while(self, longest_s: float) -> None:
        # Mostly short, sometimes as long as may be.
        await asyncio.sleep(longest_s * self.dice.random() ** 3)

    def _someone(self) -> str:
        return self.dice.choice((EDGE, BACKBONE))

    async def _reset(self) -> None:
        self.w.network.reset(self._someone())

    async def _hole(self) -> None:
        way = self._someone()
        self.w.network.hole(way)
        await self._while(2 * HOUR_S)
        self.w.network.mend(way)

    async def _slow(self) -> None:
        way = self.w.network.way(self._someone())
        way.delay_s = self.dice.uniform(0.05, 3)
        await self._while(HOUR_S)
        way.delay_s = 0.002

    async def _broker_stop(self) -> None:
        self.w.broker.stop()
        await self._while(3 * HOUR_S)
        self.w.broker.start()

    async def _broker_kill(self) -> None:
        self.w.broker.kill()
        await self._while(HOUR_S / 4)
        self.w.broker.start()

    async def _database_stop(self) -> None:
        self.w.database.stop()
        await self._while(3 * HOUR_S)
        self.w.database.start()

    async def _database_crash(self) -> None:
        self.w.database.crash()
        await self._while(HOUR_S / 4)
        self.w.database.start()

    async def _database_cuts(self) -> None:
        self.w.database.is_cutting = True
        await self._while(HOUR_S / 4)
        self.w.database.is_cutting = False

    async def _ingest_kill(self) -> None:
        await self.w.kill_ingest()
        await self._while(HOUR_S)
        self.w.start_ingest()

    async def _ledger_lost(self) -> None:
        await self.w.kill_ingest()
        for path in (self.w.folder / "state").glob("ledger.sqlite*"):
            path.unlink()
        self.w.start_ingest()

    async def _edge_kill(self) -> None:
        await self.w.kill_edge()
        await self._while(HOUR_S)
        self.w.start_edge()

    async def _edge_restart(self) -> None:
        await self.w.stop_edge()
        await self._while(HOUR_S)
        self.w.start_edge()

    async def _power_cut(self) -> None:
        await self.w.kill_edge(cut=self.dice)
        await self._while(HOUR_S)
        self.w.computer.reboot(None if self.dice.random() < 0.5 else 0)
        self.w.start_edge()
        await asyncio.sleep(self.dice.uniform(0, 600))
        self.w.computer.sync()

    async def _disk_errors(self) -> None:
        assert self.w.disk is not None
        number = self.dice.choice((errno.EIO, errno.ENOSPC))
        self.w.disk.fault = fail_with(number, *self.dice.sample(["write", "sync", "create", "sync_folder"], 2))
        # As long as nothing need be given up: that is another scenario.
        await self._while(9)
        self.w.disk.fault = lambda operation, path: None

    async def _clock_step(self) -> None:
        self.w.computer.step(self.dice.choice((-86_400, -30, -1, 0.7, 60, 86_400, 365 * 86_400)))
        await self._while(HOUR_S / 4)
        self.w.computer.sync()

    async def _unplug(self) -> None:
        instrument = self.dice.choice(self.w.instruments)
        instrument.unplug()
        await self._while(HOUR_S)
        instrument.is_plugged = True

    async def _old_card(self) -> None:
        """An image of the card is taken, and put back hours later: what was said in between is on neither.

        The node learns from the ledger which numbers its card has forgotten; one that the ledger has not heard of yet
        would be used again. So the card is changed when everything is confirmed, and nothing else is broken.
        """
        w = self.w
        await w.stop_edge()
        assert w.disk is not None
        image, taken = w.disk.after_cut(random.Random(0)), w.loop.time()
        about = (w.folder / "spool" / "about.json").read_bytes()
        w.start_edge()
        await self._while(4 * HOUR_S)
        rest = {"link", "slow", "broker", "database", "ingest", "ledger"}
        for _ in range(60):
            await asyncio.sleep(120)
            assert w.node is not None
            if not self.busy & rest and w.node.outlet.unsettled <= 4 and w.node.spool.next > 1:
                break
        else:
            return
        self.busy |= rest
        try:
            await w.kill_edge()
            self.excused |= {sent.name for sent in everything_sent(w.instruments) if sent.mono >= taken - 5}
            w.disk = image
            (w.folder / "spool" / "about.json").write_bytes(about)
            w.start_edge()
            await asyncio.sleep(120)
        finally:
            self.busy -= rest


@scenario("K1", "soak: 72 simulated hours of random faults", "0 violations over 20 seeds")
def soak(form: Form) -> Finding:
    """A violation is a reading lost, doubled, altered or made up, a number used twice, an error of more than 1 s."""
    seeds, hours = form.count(1, 20), form.pick(8, 72)
    violations: dict[int, dict[str, object]] = {}
    total: Counter[str] = Counter()
    owed = 0
    tally = Tally(0, 0, 0, 0.0)
    for seed in range(form.seed, form.seed + seeds):
        with form.in_memory() as folder:
            counts, faults, found = _run(folder, seed, hours)
        total += faults
        owed += counts.owed
        tally = tally.with_counts(counts)
        if found:
            violations[seed] = found
    figure = (
        f"{len(violations)} of {seeds} seeds (from {form.seed} on, {hours:g} h each) with violations, "
        f"{owed} owed, {sum(total.values())} faults"
    )
    return Finding(figure, not violations, tally, {"violations": violations, "faults": dict(total)})


def _run(folder: Path, seed: int, hours: float) -> tuple[Counts, Counter[str], dict[str, object]]:
    async def play(w: SimWorld) -> tuple[Counts, Counter[str], dict[str, object]]:
        soaking = Soak(w, random.Random(seed))
        await soaking.blow(w.loop.time() + hours * HOUR_S)
        if not w.is_alive("edge") or not w.is_alive("ingest"):
            return Counts(), soaking.counts, {"dead": [p for p in ("edge", "ingest") if not w.is_alive(p)]}
        await asyncio.sleep(600)
        counts = await w.settle(12 * HOUR_S, frozenset(soaking.excused))
        found: dict[str, object] = {}
        if counts.lost:
            found["lost"] = [tuple(each) for each in counts.lost[:5]]
        for name in ("duplicated", "altered", "strange", "mistimed"):
            if getattr(counts, name):
                found[name] = getattr(counts, name)
        if w.twice:
            found["numbers used twice"] = w.twice[:5]
        if not w.is_alive("edge") or not w.is_alive("ingest"):
            found["dead"] = [p for p in ("edge", "ingest") if not w.is_alive(p)]
        return counts, soaking.counts, found

    broker = ModelBroker(is_persistent=seed % 2 == 0, max_queued=1000 if seed % 4 < 2 else 100_000)
    return simulate(folder, seed, play, devices=4, period_s=20.0, broker=broker, disk=SimDisk(), max_size="16 MB")
