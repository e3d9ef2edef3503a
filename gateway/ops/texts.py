"""Every sentence a person reads, by key, in English and Thai.

The catalogue is texts.toml beside this file: `[section] name = { en = "…", th = "…" }` is the key "section.name", with
`str.format` placeholders by name. It is read at the first `say`, so importing this module costs nothing.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

Language = Literal["en", "th"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
CATALOGUE = Path(__file__).with_name("texts.toml")

_chosen: Language | None = None


def say(key: str, /, **values: object) -> str:
    """The sentence of `key` in the chosen language, English where it has no Thai one.

    Raises KeyError with the key, or with the name of a placeholder that got no value: both are programming errors.
    """
    sentence = catalogue()[key]
    text = sentence.get(language()) or sentence["en"]
    return text.format_map(values)


def has(key: str) -> bool:
    """True where the catalogue has a sentence for `key`."""
    return key in catalogue()


def set_language(code: str | None) -> None:
    """Choose "en" or "th"; None goes back to what the environment says. Raises ValueError for any other code."""
    global _chosen
    if code is not None and code not in LANGUAGES:
        raise ValueError(f"no such language: {code!r}; there are {', '.join(LANGUAGES)}")
    _chosen = code


def language() -> Language:
    """The language in use."""
    return _chosen or from_environment(os.environ)


def from_environment(environ: Mapping[str, str]) -> Language:
    """The language that LC_ALL, LC_MESSAGES, LANG (first that is set) and LANGUAGE (a list that refines it) ask for.

    As gettext does it, the locale C or POSIX means English whatever LANGUAGE says.
    """
    locale = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environ.get(name))), "")
    if _code(locale) in ("c", "posix"):
        return "en"
    for wish in (*environ.get("LANGUAGE", "").split(":"), locale):
        for known in LANGUAGES:
            if _code(wish) == known:
                return known
    return "en"


def _code(locale: str) -> str:
    """`th` of `th_TH.UTF-8@calendar`."""
    for end in (".", "@", "_", "-"):
        locale = locale.partition(end)[0]
    return locale.lower()


@functools.cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """All sentences: key → language → text."""
    # Imported here: most commands start, and some end, without a single sentence.
    import tomllib

    sections: dict[str, dict[str, Any]] = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    return {f"{section}.{name}": texts for section, names in sections.items() for name, texts in names.items()}
