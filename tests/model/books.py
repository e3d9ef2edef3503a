"""The truth beside the installation: what is owed, what was said, and what must be true of both."""

from __future__ import annotations

import json

from gateway.mqtt.broker import Message
from gateway.wire.entry import unpack
from tests.model.backbone import Backbone, Identity
from tests.model.node import POISON, Node, content_of


class Books:
    """`owed`: every reading that became durable on the present card, by its content: its number in the spool."""

    def __init__(self) -> None:
        self.owed: dict[int, int] = {}
        self.starts: dict[str, int] = {}
        """Every era there ever was: its id, the number before its first."""
        self.published: dict[str, int] = {}
        """The highest number of each spool that the broker ever saw."""
        self.may_double = False
        """Something was published by two lives of one card, and neither could know of the other."""
        self.was_put_back = False
        self._contents: dict[Identity, int] = {}
        self._upto: dict[tuple[str, str], int] = {}

    def committed(self, group: list[tuple[int, bytes]]) -> None:
        """The spool's word on what is durable."""
        for number, data in group:
            if data != POISON:
                self.owed[content_of(unpack(data))] = number

    def watch(self, message: Message) -> None:
        """Every message that the broker takes: no number has two contents, and no ledger's `upto` falls."""
        kind = message.topic.rpartition("/")[2]
        if kind in ("reading", "event", "backlog"):
            said = json.loads(message.payload)
            for each in said.get("readings", [said]):
                self._number(said["spool"], each["seq"], round((each.get("v") or each["data"])["x"]))
        elif kind == "stored" and message.payload:
            said = json.loads(message.payload)
            for spool, each in said["spools"].items():
                key = said["ledger"], spool
                assert each["upto"] >= self._upto.get(key, 0), f"upto of {key} fell from {self._upto[key]} to {each}"
                self._upto[key] = each["upto"]

    def _number(self, spool: str, seq: int, content: int) -> None:
        known = self._contents.setdefault((spool, seq), content)
        assert known == content, f"{spool}/{seq} is {known} and {content}"
        self.published[spool] = max(seq, self.published.get(spool, 0))

    def check(self, node: Node, backbone: Backbone, held: dict[Identity, int], *, is_kept: bool) -> None:
        """At the end, when all is at rest. `is_kept`: what was owed must be somewhere."""
        kept = {**held, **backbone.parked_contents()}
        for identity, content in kept.items():
            # Where two lives of a card used a number before anybody could know, the first to come has it.
            assert self._contents[identity] == content, f"{identity} holds {content}"
        contents = list(kept.values())
        assert self.may_double or len(contents) == len(set(contents)), "a reading is stored under two identities"
        if is_kept:
            lost = node.lost()
            missing = {content for content, number in self.owed.items() if number not in lost} - set(contents)
            missing -= self._given_up_in_another_life(backbone)
            assert not missing, f"lost without a word: {sorted(missing)}"
        for spool in backbone.spools():
            given_up = backbone.given_up(spool)
            for first, last in backbone.settled(spool).ranges():
                for number in range(first, last + 1):
                    assert number in given_up or (spool, number) in kept, f"{spool}/{number} is settled and nowhere"

    def _given_up_in_another_life(self, backbone: Backbone) -> set[int]:
        """What the ledger calls lost because this card, before it was put back, had lost it and said so."""
        if not self.was_put_back:
            return set()
        known = set(backbone.spools())
        given_up = {(spool, number) for spool in known & set(self.starts) for number in backbone.given_up(spool)}
        return {
            content
            for content, number in self.owed.items()
            if any((spool, number - base) in given_up for spool, base in self.starts.items())
        }
