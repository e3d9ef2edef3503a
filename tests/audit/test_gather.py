"""Asking: the answer is the same as if everything had been read, and no more is read than that takes."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit.account import account
from gateway.audit.facts import About, LedgerSpool, StateChange
from gateway.audit.gather import Gathering, NodeFacts, Window
from tests.audit.worlds import HOUR, SECOND, SPOOL, FakeDatabase, World, worlds

T0 = 1_000_000 * HOUR
DAY = 24 * HOUR


def gather(database: FakeDatabase, window: Window, **ledger: LedgerSpool) -> NodeFacts:
    world = next(iter(database.worlds.values()), World([], []))
    said = ledger or {spool: each.ledger for spool, each in database.worlds.items()}
    held, dropped = {SPOOL: world.having("parked")}, {SPOOL: world.having("dropped")}
    return Gathering(database, "n", window, said, held, dropped).gather()


@settings(deadline=None)
@given(worlds(), st.data())
def test_the_same_as_if_everything_was_read(world: World, data: st.DataObject) -> None:
    places = [T0, *world.times, *(at + 1 for at in world.times)]
    from_at, to_at = sorted(data.draw(st.lists(st.sampled_from(places), min_size=2, max_size=2)))
    now_at = max(*places, to_at) + data.draw(st.sampled_from([0, HOUR, 1000 * DAY]))
    window = Window(from_at, to_at, now_at, 60.0)
    found = gather(FakeDatabase({SPOOL: world}), window)
    assert found.accounts[0].ranges == account(world.facts(), from_at, to_at, window.due_at).ranges


def minutes(*fates: str, start: int = T0) -> World:
    return World(list(fates), [start + n * 60 * SECOND for n in range(len(fates))])


def test_a_clean_day_reads_the_day_and_an_hour_around() -> None:
    world = minutes(*["stored"] * 3 * 1440, start=T0 - DAY)
    database = FakeDatabase({SPOOL: world})
    found = gather(database, Window(T0, T0 + DAY, T0 + 2 * DAY, 60.0))
    assert database.asked == [(T0 - HOUR, T0 + DAY + HOUR)]
    assert found.accounts[0].counts()["stored"] == 1440


def test_a_number_is_only_called_missing_after_the_whole_database_was_asked() -> None:
    world = minutes(*["stored"] * 100)
    world.times[50] = T0 - 3 * DAY  # its clock was wrong: it is there, elsewhere
    database = FakeDatabase({SPOOL: world})
    found = gather(database, Window(T0, T0 + HOUR, T0 + 2 * DAY, 60.0))
    assert found.accounts[0].counts()["missing"] == 0
    assert found.accounts[0].counts()["stored"] == 59
    world = minutes(*["stored"] * 30, "deleted", *["stored"] * 30)
    database = FakeDatabase({SPOOL: world})
    found = gather(database, Window(T0, T0 + HOUR, T0 + 2 * DAY, 60.0))
    assert found.accounts[0].counts()["missing"] == 1
    assert (min(a for a, _ in database.asked), max(b for _, b in database.asked)) == (0, T0 + 2 * DAY + HOUR)
    spans = sorted(database.asked)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans)), "nothing is read twice"


def test_no_more_is_read_than_frames_the_window() -> None:
    """The node was away for two days before the window and after it."""
    world = minutes(*["stored"] * 1000, start=T0 - 300 * DAY)
    world.fates += ["stored"] * 30 + ["lost"] * 5 + ["stored"] * 10
    world.times += [T0 - 2 * DAY + n * SECOND for n in range(10)]
    world.times += [T0 + n * SECOND for n in range(25)]
    world.times += [T0 + 3 * DAY + n * SECOND for n in range(10)]
    world = World(world.fates, world.times)
    database = FakeDatabase({SPOOL: world})
    found = gather(database, Window(T0, T0 + HOUR, T0 + 300 * DAY, 60.0))
    assert found.accounts[0].counts() == {"stored": 20, "parked": 0, "lost": 5, "missing": 0, "not-yet-due": 0}
    assert (min(a for a, _ in database.asked), max(b for _, b in database.asked)) == (
        T0 - 30 * DAY,
        T0 + HOUR + 30 * DAY,
    )


def test_spools_that_were_gone_before_cost_nothing() -> None:
    old, new = minutes("stored", "stored", start=T0 - 300 * DAY), minutes(*["stored"] * 200, start=T0 - HOUR)
    old.ledger.gone_at = T0 - 299 * DAY
    database = FakeDatabase({"0000000a": old, SPOOL: new})
    found = gather(database, Window(T0, T0 + HOUR, T0 + DAY, 60.0))
    assert database.asked == [(T0 - HOUR, T0 + 2 * HOUR)]
    assert [each.spool for each in found.accounts] == [SPOOL]


def test_what_was_removed_on_purpose_is_not_missing() -> None:
    world = minutes(*["deleted"] * 60, *["stored"] * 60)
    database = FakeDatabase({SPOOL: world}, kept_from=T0 + HOUR)
    found = gather(database, Window(T0 + HOUR, T0 + 3 * HOUR, T0 + DAY, 60.0))
    assert found.accounts[0].counts() == {"stored": 60, "parked": 0, "lost": 0, "missing": 0, "not-yet-due": 0}


def test_a_spool_that_no_ledger_knows() -> None:
    found = gather(
        FakeDatabase({SPOOL: minutes("stored", "absent", "stored")}),
        Window(T0, T0 + HOUR, T0 + DAY, 60.0),
        x=LedgerSpool(),
    )
    assert found.accounts[0].counts()["missing"] == 1
    assert found.accounts[0].counts()["stored"] == 2


def test_devices() -> None:
    database = FakeDatabase({SPOOL: minutes(*["stored"] * 60)})
    database.changes = [StateChange("pms", T0 + 5, "silent", "ok"), StateChange("gone", T0, "absent", None)]
    database.about = [
        About("pms", "air", T0 - 5 * DAY, 60.0), About("gone", "water", T0 - 5 * DAY, 60.0), About("", "", T0, 0)
    ]  # fmt: skip
    database.health = {"": T0 + DAY, "pms": T0 + DAY, "gone": T0 + HOUR}
    found = gather(database, Window(T0, T0 + DAY, T0 + 2 * DAY, 60.0))
    assert set(found.devices) == {"pms", "gone"}
    assert found.devices["pms"].removed_at is None
    assert found.devices["gone"].removed_at == T0 + HOUR
    assert found.devices["gone"].device_class == "water"
    assert found.devices["pms"].periods == [(T0 - 5 * DAY, 60.0)]
    assert len(found.devices["pms"].times) == 60
    assert found.heard_until == T0 + DAY
