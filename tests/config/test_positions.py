"""Lines of keys: on texts that try to hide them, and on made-up TOML against what tomllib reads."""

import textwrap
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.positions import DEPTH, find_lines
from gateway.config.toml import to_key, to_toml


def lines(text: str) -> dict[str, int]:
    text = textwrap.dedent(text)
    tomllib.loads(text)
    return {".".join(map(str, path)): line for path, line in find_lines(text).items()}


def test_tables_and_keys():
    assert lines("""\
        top = 1  # a = 2
        [node]
        id = "x" # [mqtt]

        [ mqtt . "tls" ]
        'ca file' = "y"
        a.b . c = 1
        """) == {
        "top": 1,
        "node": 2,
        "node.id": 3,
        "mqtt": 5,
        "mqtt.tls": 5,
        "mqtt.tls.ca file": 6,
        "mqtt.tls.a": 7,
        "mqtt.tls.a.b": 7,
        "mqtt.tls.a.b.c": 7,
    }


def test_arrays_of_tables_and_tables_in_them():
    found = lines("""\
        [[device]]
        id = "a"
        [device.options]
        x = 1
        [[device]]
        [device.options]
        x = 2
        [[device.sub]]
        y = 1
        [[device.sub]]
        y = 2
        """)
    assert found["device.0"] == found["device"] == 1
    assert found["device.0.options.x"] == 4
    assert found["device.1"] == 5
    assert found["device.1.options.x"] == 7
    assert found["device.1.sub.0.y"] == 9
    assert found["device.1.sub.1.y"] == 11


def test_values_that_look_like_keys():
    found = lines('''\
        a = """
        [fake]
        b = 1 \\"""
        """
        c = \'\'\'
        d = "\'\'
        \'\'\'\'\'
        e = [ "]", '[x]', # x = 1 ]
          { f = "}", g = [1,
            2] }, ]
        h = """"quoted""""
        i = "\\\\"
        j = 1979-05-27 07:32:00
        ''')
    assert found == {
        "a": 1,
        "c": 5,
        "e": 8,
        "e.0": 8,
        "e.1": 8,
        "e.2": 9,
        "e.2.f": 9,
        "e.2.g": 9,
        "e.2.g.0": 9,
        "e.2.g.1": 10,
        "h": 11,
        "i": 12,
        "j": 13,
    }


def test_a_very_deep_key_costs_nothing():
    text = "a" + ".a" * 100_000 + " = 1\n[b]\n"
    found = find_lines(text)
    assert found[("b",)] == 2
    assert max(map(len, found)) == DEPTH


keys = st.text(min_size=1, max_size=6)
values = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def paths(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, member in value.items():
            yield from paths(member, (*path, key))
    if isinstance(value, list):
        for number, member in enumerate(value):
            yield from paths(member, (*path, number))


@given(
    st.dictionaries(keys, st.dictionaries(keys, values, max_size=3), max_size=3), st.sampled_from(["[{}]", "[[{}]]"])
)
def test_every_key_is_found_on_its_line(tree, header):
    text, expected, line = [], {}, 0
    for table, members in tree.items():
        text.append(header.format(to_key(table)))
        line += 1
        top = (table,) if header == "[{}]" else (table, 0)
        expected |= {(table,): line, top: line}
        for key, value in members.items():
            text.append(f"{to_key(key)} = {to_toml(value)}")
            line += 1
            expected |= {(*top, key, *rest): line for rest in paths(value)}
    joined = "\n".join(text)
    assert tomllib.loads(joined) == {t: (m if header == "[{}]" else [m]) for t, m in tree.items()}
    assert find_lines(joined) == {path[:DEPTH]: line for path, line in expected.items()}
