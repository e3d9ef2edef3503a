"""Where each number is that is committed and not settled. Plain bookkeeping: no tasks, no disk, no connection.

    live      fresh, goes out at once on its own topic; with its data, bounded in number and age
    waiting   goes out as backlog; on the disk, here only as ranges, like everything below
    claimed   taken out of waiting or live to be sent; comes back by `give_back`, `taken` or `hold`
    undated   nobody knows its time yet
    held      was refused, or sent too often: waits until a given time
    taken     the broker has it, the ledger has not said so

Ranges cost memory. Where refusals make them too ragged, the oldest part is taken as not sent and held as one piece for
an hour: repeats are harmless, memory is not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from gateway.edge.ageing import Ageing
from gateway.spool.intervals import Intervals

LIVE_BOUND = 2000
LIVE_AGE_S = 5.0
SLOW_S = 3600.0
MOST_PIECES = 20_000

Ranges = list[tuple[int, int]]


class Unsettled:
    """`owed(first, last)` says which of these numbers still are neither settled nor lost; `now` is monotonic seconds.

    A number told missing is sent again once it is old, that is `resend_after_s` after the broker took it. One that was
    sent three times becomes old only after an hour.
    """

    def __init__(
        self, pending: Iterable[tuple[int, int]], owed: Callable[[int, int], Ranges], resend_after_s: float
    ) -> None:
        self.live: deque[tuple[float, int, bytes]] = deque()
        self.waiting = Intervals(pending)
        self.claimed = Intervals()
        self.undated = Intervals()
        self.held: list[tuple[float, Intervals]] = []
        self.taken_once = Ageing(resend_after_s)
        self.taken_often = Ageing(SLOW_S)
        self._sent_twice, self._sent_thrice, self._slow = Intervals(), Intervals(), Intervals()
        self._owed = owed

    def __len__(self) -> int:
        """All of them."""
        held = sum(len(numbers) for _, numbers in self.held)
        return len(self.live) + len(self.waiting) + len(self.claimed) + len(self.undated) + held + self.unconfirmed

    @property
    def unconfirmed(self) -> int:
        """Those the broker has taken."""
        return len(self.taken_once) + len(self.taken_often)

    @property
    def pieces(self) -> int:
        """How many ranges are kept."""
        return sum(place.pieces for place in self._places()) + self.taken_once.pieces + self.taken_often.pieces

    def _places(self) -> Iterator[Intervals]:
        yield from (self.waiting, self.undated, self._sent_twice, self._sent_thrice, self._slow)
        yield from (numbers for _, numbers in self.held)

    # From the spool.

    def offer(self, group: list[tuple[int, bytes]], now: float) -> None:
        """A committed group: live while it is fresh; on the disk in any case, so that nothing here can lose it."""
        self.live.extend((now, number, data) for number, data in group)
        self.spill(now)

    def spill(self, now: float) -> None:
        """What is live and too old or too much waits from now on."""
        live = self.live
        while live and (len(live) > LIVE_BOUND or now - live[0][0] > LIVE_AGE_S):
            self.waiting.add(live.popleft()[1])

    def ended(self, first: int, last: int) -> None:
        """These are settled or lost."""
        self._forget(first, last)
        self.claimed.remove(first, last)
        if self.live and self.live[0][1] <= last:
            self.live = deque(each for each in self.live if not first <= each[1] <= last)

    def _forget(self, first: int, last: int) -> None:
        for place in self._places():
            place.remove(first, last)
        for taken in (self.taken_once, self.taken_often):
            taken.remove(first, last)
        self.held = [(until, numbers) for until, numbers in self.held if numbers]

    def begin_again(self, pending: Iterable[tuple[int, int]]) -> None:
        """Everything pending waits, whatever was known of it, but what is live or claimed."""
        self.waiting = Intervals(pending)
        for first, last in [*self.claimed.ranges(), *((number, number) for _, number, _ in self.live)]:
            self.waiting.remove(first, last)
        self.undated, self.held = Intervals(), []
        self._sent_twice, self._sent_thrice, self._slow = Intervals(), Intervals(), Intervals()
        self.taken_once.clear()
        self.taken_often.clear()

    # To the broker.

    def next_live(self, now: float) -> tuple[int, bytes] | None:
        """The next number to go out at once, claimed by that."""
        self.spill(now)
        if not self.live:
            return None
        _, number, data = self.live.popleft()
        self.claimed.add(number)
        return number, data

    def claim(self, most: int) -> tuple[int, int] | None:
        """The lowest numbers that wait, `most` of them at most, claimed by that."""
        lowest = self.waiting.lowest()
        if lowest is None:
            return None
        first, last = lowest[0], min(lowest[1], lowest[0] + most - 1)
        self.waiting.remove(first, last)
        self.claimed.add(first, last)
        return first, last

    def _unclaim(self, ranges: Ranges) -> Ranges:
        for first, last in ranges:
            self.claimed.remove(first, last)
        return [owed for first, last in ranges for owed in self._owed(first, last)]

    def give_back(self, ranges: Ranges) -> None:
        """Claimed numbers that were not sent, or whose answer never came: they wait again."""
        for first, last in self._unclaim(ranges):
            self.waiting.add(first, last)

    def drop(self, ranges: Ranges) -> None:
        """Claimed numbers that the spool no longer has; it declares them where that is a loss."""
        self._unclaim(ranges)

    def date_later(self, ranges: Ranges) -> None:
        """Claimed numbers whose time nobody knows yet."""
        for first, last in self._unclaim(ranges):
            self.undated.add(first, last)

    def dated(self) -> None:
        """Some times are known now: the undated wait again, to be looked at."""
        self.waiting.update(self.undated)
        self.undated = Intervals()

    def hold(self, ranges: Ranges, until: float, now: float) -> None:
        """Claimed numbers that shall not be tried again before `until`."""
        for first, last in self._unclaim(ranges):
            self._hold(first, last, until)
        self._smooth(now)

    def set_aside(self, first: int, last: int, until: float) -> None:
        """Numbers that wait, and shall not be tried again before `until`."""
        for start, end in overlap(self.waiting, first, last):
            self._hold(start, end, until)
        self.waiting.remove(first, last)

    def _hold(self, first: int, last: int, until: float) -> None:
        place = next((numbers for at, numbers in self.held if at == until), None)
        if place is None:
            place = Intervals()
            self.held.append((until, place))
        place.add(first, last)

    def release(self, now: float) -> float | None:
        """What was held until now waits again; when the next is due, None if nothing is held."""
        for until, numbers in self.held:
            if until <= now:
                for first, last in numbers.ranges():
                    self.waiting.update(Intervals(self._owed(first, last)))
        self.held = [(until, numbers) for until, numbers in self.held if until > now]
        return min((until for until, _ in self.held), default=None)

    def taken(self, ranges: Ranges, now: float) -> None:
        """Claimed numbers that the broker has taken."""
        for first, last in self._unclaim(ranges):
            often = overlap(self._slow, first, last)
            for start, end in often:
                self.taken_often.add(start, end, now)
            for start, end in without(first, last, often):
                self.taken_once.add(start, end, now)
        self._smooth(now)

    # From the ledger.

    def missing(self, first: int, last: int, now: float) -> tuple[int, Ranges]:
        """The ledger misses these: how many wait to be sent again, and which were sent three times in vain by now."""
        self.taken_once.grow(now)
        self.taken_often.grow(now)
        failing = []
        again = overlap(self.taken_often.old, first, last)
        for start, end in overlap(self.taken_once.old, first, last):
            thrice = overlap(self._sent_thrice, start, end)
            again += without(start, end, thrice)
            for low, high in thrice:
                failing.append((low, high))
                self.taken_once.remove(low, high)
                self.taken_often.add(low, high, now)
                self._sent_thrice.remove(low, high)
                self._slow.add(low, high)
        for start, end in again:
            self.taken_once.remove(start, end)
            self.taken_often.remove(start, end)
            self._count_sending(start, end)
            self.waiting.add(start, end)
        return sum(end - start + 1 for start, end in again), failing

    def _count_sending(self, first: int, last: int) -> None:
        twice, slow = overlap(self._sent_twice, first, last), overlap(self._slow, first, last)
        for start, end in without(first, last, slow):
            self._sent_twice.add(start, end)
        for start, end in twice:
            self._sent_twice.remove(start, end)
            self._sent_thrice.add(start, end)

    def _smooth(self, now: float) -> None:
        if self.pieces <= MOST_PIECES:
            return
        taken = self.taken_once.all()
        taken.update(self.taken_often.all())
        for _, numbers in self.held:
            taken.update(numbers)
        ranges = taken.ranges()
        if not ranges:
            return
        first, last = ranges[0][0], ranges[len(ranges) // 2][1]
        self._forget(first, last)
        self.held.append((now + SLOW_S, Intervals([(first, last)])))


def overlap(numbers: Intervals, first: int, last: int) -> Ranges:
    """The ranges of `first` … `last` that are in the set."""
    if not numbers:
        return []
    return without(first, last, numbers.missing(first, last))


def without(first: int, last: int, holes: Ranges) -> Ranges:
    """`first` … `last` without the ascending `holes` inside it."""
    found = []
    for hole_first, hole_last in holes:
        if first < hole_first:
            found.append((first, hole_first - 1))
        first = hole_last + 1
    if first <= last:
        found.append((first, last))
    return found
