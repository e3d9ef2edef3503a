"""What to do about mistakes that are easy to make and hard to see: Thai digits, curly quotes, Buddhist-era years …"""

from __future__ import annotations

import re

from gateway.ops.texts import say

_THAI_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")
_QUOTES = str.maketrans("“”„‟″＂‘’‚‛′＇", "\"\"\"\"\"\"''''''")
_THAI_NUMBER = re.compile("[๐-๙][๐-๙.,]*")
_ERA_DATE = re.compile(r"(?<![0-9๐-๙])([2๒][456๔๕๖][0-9๐-๙]{2})(?=[-/.][0-9๐-๙])")
_ERA_YEAR = re.compile(r"(?<![0-9.])(2[456][0-9]{2})(?![0-9.])")
ERA = 543
"""Buddhist-era years are ahead of the common era by this many."""

_BARE_VALUE = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*=\s*([^\"'\[{#]*[^\"'\[{#\s])\s*(#.*)?$")
_COLON = re.compile(r"\s*[A-Za-z0-9_-]+\s*:\s")


def value_remedy(value: object) -> str:
    """The ending of a sentence about a wrong value, "" where nothing special is known of it."""
    text = value if isinstance(value, str) else str(value)
    if len(text) > 1000:
        return ""
    era = _ERA_DATE.search(text)
    if era is None and re.fullmatch(r"\s*2[456][0-9]{2}\s*", text):
        era = _ERA_YEAR.search(text)
    if era is not None:
        year = era[1].translate(_THAI_DIGITS)
        return say("remedy.buddhist_year", year=year, common=int(year) - ERA)
    thai = _THAI_NUMBER.search(text)
    if thai is not None:
        return say("remedy.thai_digits", found=thai[0], write=thai[0].translate(_THAI_DIGITS))
    if isinstance(value, str) and text != text.translate(_QUOTES):
        return say("remedy.curly_quotes")
    return ""


def syntax_remedy(line: str, message: str) -> str:
    """The ending of a sentence about a line that is no TOML; `message` is what the parser said."""
    code = _without_strings(line[:1000])
    for remedy in (_curly_quotes, value_remedy):
        found = remedy(code)
        if found:
            return found
    if "Cannot overwrite" in message or "Cannot declare" in message or "Cannot redefine" in message:
        return say("remedy.once")
    if "escape" in message.lower() or "\\" in line:
        return say("remedy.backslash")
    if re.search(r"=\s*(True|False|TRUE|FALSE|yes|no|on|off)\b", code):
        return say("remedy.boolean")
    if _COLON.match(code):
        return say("remedy.equals")
    bare = _BARE_VALUE.match(line)
    if bare is not None:
        return say("remedy.quotes", key=bare[1], value=bare[2])
    if line.count('"') % 2:
        return say("remedy.closing_quote")
    return ""


def _curly_quotes(code: str) -> str:
    return say("remedy.curly_quotes") if code != code.translate(_QUOTES) else ""


def _without_strings(line: str) -> str:
    """The line without what stands in straight quotes and after a hash: there, anything may stand."""
    return re.sub(r'"[^"]*"|\'[^\']*\'|#.*', "", line)
