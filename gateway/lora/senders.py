"""Senders to flash: the files of deploy/lora, with a device's address and keys filled in."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from gateway.lora.keys import Keys

Sender = Literal["micropython", "arduino"]
FILES: dict[Sender, str] = {"micropython": "sender.py", "arduino": "sender.ino"}
_PLACES = (Path(__file__).with_name("to_flash"), Path(__file__).parents[2] / "deploy" / "lora")
"""In an installed package, and in a working copy."""


def sender(kind: Sender, dev_addr: str, keys: Keys, *, spreading_factor: int = 9, sync_word: int = 0x12) -> str:
    """The sender's text for this device. Raises OSError where the package came without it."""
    text = template(kind)
    for pattern, value in (
        (r"(DEV_ADDR = 0x)0{8}", dev_addr),
        (r'(NWK_S_KEY = (?:bytes\.fromhex\()?")0{32}', keys.nwk_s_key.hex()),
        (r'(APP_S_KEY = (?:bytes\.fromhex\()?")0{32}', keys.app_s_key.hex()),
        (r"(SF, SYNC_WORD = 923200000, |SF = )9\b", str(spreading_factor)),
        (r"(SYNC_WORD = (?:923200000, \d+, )?0x)12\b", f"{sync_word:02x}"),
    ):
        text, count = re.subn(pattern, rf"\g<1>{value}", text, count=1)
        if not count:
            raise ValueError(f"{FILES[kind]} has no place for {pattern}")
    return text


def template(kind: Sender) -> str:
    """The sender as it is shipped. Raises OSError."""
    place = next((each for each in _PLACES if (each / FILES[kind]).is_file()), _PLACES[0])
    return (place / FILES[kind]).read_text("utf-8")


def write_secret(path: Path, text: str) -> None:
    """A new file of mode 0600: it holds keys. Raises FileExistsError, OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "w", encoding="utf-8") as file:
        file.write(text)
