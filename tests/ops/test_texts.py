"""The catalogue and the code agree: every key used exists, every key is used, both languages take the same values."""

import ast
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.ops import texts

SOURCES = sorted(Path(texts.__file__).parents[1].rglob("*.py"))
KEY = re.compile(r"[a-z][a-z0-9_]*\.[a-z0-9][a-z0-9_-]*")


@pytest.fixture(autouse=True)
def _english_afterwards():
    yield
    texts.set_language(None)


def placeholders(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def is_say(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not node.args:
        return False
    name = node.func
    return (isinstance(name, ast.Name) and name.id == "say") or (isinstance(name, ast.Attribute) and name.attr == "say")


def used() -> tuple[dict[str, str], set[str], set[str]]:
    """Keys said literally (with where), beginnings of keys said with an f-string, and all other literals."""
    said: dict[str, str] = {}
    beginnings: set[str] = set()
    literals: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                literals.add(node.value)
            if is_say(node):
                key = node.args[0]
                if isinstance(key, ast.Constant):
                    said[key.value] = f"{path.name}:{node.lineno}"
                elif isinstance(key, ast.JoinedStr) and isinstance(key.values[0], ast.Constant):
                    beginnings.add(key.values[0].value)
    return said, beginnings, literals


def test_every_key_that_is_said_exists():
    said, beginnings, _ = used()
    known = texts.catalogue()
    assert {key: where for key, where in said.items() if key not in known} == {}
    assert [b for b in beginnings if not any(key.startswith(b) for key in known)] == []


def test_no_key_is_left_over():
    said, beginnings, literals = used()
    left = [
        key
        for key in texts.catalogue()
        if key not in said and key not in literals and not any(key.startswith(b) for b in beginnings)
    ]
    assert left == []


def test_what_is_said_passes_the_placeholders():
    known = texts.catalogue()
    wrong = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if is_say(node) and isinstance(node.args[0], ast.Constant) and node.args[0].value in known:
                given = {k.arg for k in node.keywords}
                needed = set(placeholders(known[node.args[0].value]["en"]))
                if None not in given and needed - given:
                    wrong.append((path.name, node.lineno, node.args[0].value, sorted(needed - given)))
    assert wrong == []


@pytest.mark.parametrize("key", sorted(texts.catalogue()))
def test_sentence(key):
    sentence = texts.catalogue()[key]
    assert KEY.fullmatch(key)
    assert set(sentence) <= {"en", "th"}
    assert sentence["en"].strip() == sentence["en"] != ""
    assert all(name.isidentifier() for name in placeholders(sentence["en"]))
    if "th" in sentence:
        assert placeholders(sentence["th"]) == placeholders(sentence["en"])
        assert re.search("[\u0e01-\u0e5b]", sentence["th"]), "the Thai sentence has no Thai letter"


def test_say_in_both_languages(monkeypatch):
    monkeypatch.setattr(
        texts, "catalogue", lambda: {"a.both": {"en": "port {port}", "th": "พอร์ต {port}"}, "a.english": {"en": "only"}}
    )
    texts.set_language("th")
    assert texts.say("a.both", port="/dev/x") == "พอร์ต /dev/x"
    assert texts.say("a.english") == "only"
    texts.set_language("en")
    assert texts.say("a.both", port="{0}") == "port {0}"
    with pytest.raises(KeyError, match=r"a\.nothing"):
        texts.say("a.nothing")
    with pytest.raises(KeyError, match="port"):
        texts.say("a.both")
    with pytest.raises(ValueError, match="'de'"):
        texts.set_language("de")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "en"),
        ({"LANG": "th_TH.UTF-8"}, "th"),
        ({"LANG": "th_TH.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "th"}, "en"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "de:th:en"}, "th"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "", "LC_MESSAGES": "th_TH"}, "th"),
        ({"LANGUAGE": "th"}, "th"),
        ({"LANG": "tha"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_language_of_the_environment(environ, expected):
    assert texts.from_environment(environ) == expected


def test_importing_reads_no_catalogue():
    code = "import sys, gateway.ops.texts; assert 'tomllib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
