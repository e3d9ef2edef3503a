"""AES as LoRaWAN 1.0.x uses it. The only module that knows the package `cryptography`, loaded at the first use."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.cmac import CMAC

KEY_BYTES = 16


def cmac(key: bytes, data: bytes) -> bytes:
    """AES-CMAC (RFC 4493), 16 bytes."""
    summed = _begun(key).copy()
    summed.update(data)
    return summed.finalize()


@functools.lru_cache(maxsize=2048)
def _begun(key: bytes) -> CMAC:
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.cmac import CMAC

    return CMAC(AES(key))


def ctr(key: bytes, first_block: bytes, data: bytes) -> bytes:
    """AES in counter mode from this block on; the same call encrypts and decrypts."""
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CTR

    return Cipher(AES(key), CTR(first_block)).encryptor().update(data)
