"""One receiver from what a command line says, checked like a [[lora]] of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from gateway.config.model import Lora
from gateway.config.radio import lora_findings


def receiver(table: Mapping[str, Any]) -> Lora:
    """The receiver. Raises ValueError with all that is wrong, a line each."""
    wrong = [f"{'.'.join(map(str, path[2:]))}: {text}" for path, text in lora_findings({"lora": [dict(table)]})]
    try:
        made = Lora.model_validate(dict(table))
    except ValidationError as error:
        wrong += [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)]
        raise ValueError("\n".join(wrong)) from None
    if wrong:
        raise ValueError("\n".join(wrong))
    return made
