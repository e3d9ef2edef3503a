"""ABP keys: made, written to files that only their owner can read, and read again. They are never shown or logged."""

from __future__ import annotations

import os
import re
import secrets
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from gateway.lora.aes import KEY_BYTES
from gateway.ops.texts import say

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MOST_BYTES = 4096
_KEY = re.compile(rf"[0-9A-Fa-f]{{{2 * KEY_BYTES}}}")
_ADDRESS = re.compile(r"[0-9A-Fa-f]{8}")
_PRIVATE_NETWORK = 0x00000000
"""DevAddr 00000000 to 03ffffff belong to the network ids 0 and 1, which are for private networks."""
_PRIVATE_BITS = 25


class KeysError(Exception):
    """A file of keys that cannot be used; the message says what to do, and nothing of what stands in the file."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The two session keys of one device. Their text is hidden."""

    nwk_s_key: bytes = field(repr=False)
    app_s_key: bytes = field(repr=False)


def new_address() -> str:
    """A random device address of the range for private networks, 8 hexadecimal digits."""
    return f"{_PRIVATE_NETWORK | secrets.randbits(_PRIVATE_BITS) or 1:08x}"


def new_keys() -> Keys:
    """Random keys."""
    return Keys(secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES))


def write_keys(path: Path, dev_addr: str, keys: Keys) -> None:
    """A new file of mode 0600. Raises FileExistsError where there is one, OSError where it cannot be written."""
    text = (
        f"# LoRaWAN ABP keys of the device with address {dev_addr}. Secret: whoever has them can speak for it.\n"
        f'dev_addr = "{dev_addr}"\nnwk_s_key = "{keys.nwk_s_key.hex()}"\napp_s_key = "{keys.app_s_key.hex()}"\n'
    )
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_keys(path: Path, dev_addr: str) -> Keys:
    """The keys for that address. Raises KeysError: not there, open to others, not keys, or another device's."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise KeysError(say("lora.keys_unreadable", file=path, why=error.strerror or str(error))) from None
    if not stat.S_ISREG(mode) or mode & _OTHERS:
        raise KeysError(say("lora.keys_mode", file=path, mode=f"{stat.S_IMODE(mode):04o}"))
    try:
        said = tomllib.loads(data[:_MOST_BYTES].decode("utf-8"))
    except (ValueError, RecursionError):
        raise KeysError(say("lora.keys_unfit", file=path, key="TOML")) from None
    address = said.get("dev_addr", dev_addr)
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address) or address.lower() != dev_addr.lower():
        raise KeysError(say("lora.keys_of_another", file=path, dev_addr=dev_addr))
    return Keys(_key(path, said, "nwk_s_key"), _key(path, said, "app_s_key"))


def _key(path: Path, said: dict[str, object], name: str) -> bytes:
    text = said.get(name)
    if not isinstance(text, str) or not _KEY.fullmatch(text):
        raise KeysError(say("lora.keys_unfit", file=path, key=name))
    return bytes.fromhex(text)
