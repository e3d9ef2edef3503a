"""What is handed out stays true: examples, shipped files, the schema, the meaning of every key."""

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest

from drivers.core.contract import Driver
from gateway.config import check
from gateway.config.example import example
from gateway.config.schema import DIALECT, every_table, keys_of, schema
from gateway.config.toml import to_toml
from gateway.ops import texts

SHIPPED = Path(__file__).parents[2] / "config"
SHIPPED_FILES = {
    "air-station.toml",
    "backbone.toml",
    "demo.toml",
    "edge-node.toml",
    "lora-node.toml",
    "water-gauge.toml",
    "water-station.toml",
}


def good(path: Path) -> None:
    config, problems = check(path)
    assert config is not None
    assert [str(p) for p in problems if not p.is_warning] == []
    assert all("No such file" in p.message or "anyone in range" in p.message for p in problems)
    jsonschema.validate(tomllib.loads(path.read_text()), schema())


@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize("what", ["node", "backbone", "both"])
def test_an_example_passes_the_check(what, language, tmp_path):
    texts.set_language(language)
    file = tmp_path / "example.toml"
    file.write_text(example(what))
    texts.set_language("en")
    good(file)


def test_the_example_names_every_key():
    text = example("both")
    named = set(re.findall(r"^#?([a-z_0-9]+) = ", text, re.MULTILINE))
    in_tables = {key for name, table in every_table().items() for key in keys_of(table) if name != "Config"}
    spread = {
        "lat",
        "lon",
        "elevation_m",
        "influx",
        "sqlite",
        "on",
        "warm_up",
        *("dev_addr", "keys_file", "dev_eui", "trust", "receiver", "sender", "encoding"),
    }  # shown as inline tables, and as tables of their own
    assert named == in_tables - spread
    assert set(re.findall(r"^#?\[+([a-z.]+)\]+$", text, re.MULTILINE)) == {
        *("node", "spool", "mqtt", "port", "device", "ingest", "ingest.mqtt", "ingest.sqlite", "ingest.influx", "log"),
        "lora",
    }


def test_what_the_example_leaves_out_would_pass_too(tmp_path):
    """Every commented key of the node's tables, made active one by one, is still a good configuration."""
    lines = example("node").splitlines()
    file = tmp_path / "example.toml"
    tried = 0
    for at, line in enumerate(lines):
        header = next((each for each in reversed(lines[:at]) if re.match(r"#?\[", each)), "")
        is_left_out = header.startswith("#") or line.startswith(("#address", "#client_id", "#radio"))
        if re.match(r"#[a-z_0-9]+ = ", line) and not is_left_out:
            beside = {"#cert_file": 'key_file = "k"', "#key_file": 'cert_file = "k"', "#silence": 'every = "1 s"'}
            more = beside.get(line.split(" ")[0])
            if more is not None and more.startswith("every"):
                continue
            before = [each for each in lines[:at] if not (line.startswith("#duty") and each.startswith("every"))]
            file.write_text("\n".join([*before, line[1:], *([more] if more else []), *lines[at + 1 :]]))
            _, problems = check(file)
            assert [str(p) for p in problems if not p.is_warning] == []
            tried += 1
    assert tried > 15


@pytest.mark.parametrize("name", sorted(SHIPPED_FILES))
def test_shipped_files_are_good(name):
    good(SHIPPED / name)


def test_all_shipped_files_are_tested():
    assert {path.name for path in SHIPPED.glob("*.toml")} == SHIPPED_FILES


def test_the_schema_is_fresh():
    fresh = json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"
    assert (SHIPPED / "schema.json").read_text() == fresh, "run: gateway config schema > config/schema.json"


def test_the_schema_is_one():
    made = schema()
    assert made["$schema"] == DIALECT
    jsonschema.Draft202012Validator.check_schema(made)
    checker = jsonschema.Draft202012Validator(made)
    node = {"node": {"id": "a", "site": "b"}}
    assert checker.is_valid(node)
    for wrong in (
        {"nod": {}},
        {"node": {"id": "A", "site": "b"}},
        {"node": {"id": "a"}},
        {"spool": {"max_size": 5}},
        {"spool": {"max_size": "5 X"}},
        {"mqtt": {"url": "mqtt://h"}},
        {"mqtt": {"url": "mqtt://u:p@h", "confirm": "stored"}},
        {"log": {"level": None}},
    ):
        assert not checker.is_valid(wrong), wrong


def test_every_key_has_its_meaning_and_no_meaning_is_left_over():
    meant = {f"keys.{table.topic}_{key}" for table in every_table().values() for key in keys_of(table)}
    said = {key for key in texts.catalogue() if key.startswith("keys.")}
    assert said == meant
    assert [key for key in said if "th" not in texts.catalogue()[key]] == []


def test_toml_of_values():
    values = {"a b": ['"\\\n\u007f\u001b', "ก", True, 1, 1.5, {"x-y": "z"}, {}], "c": Path("/x")}
    back = tomllib.loads("v = " + to_toml(values))["v"]
    assert back == {**values, "c": "/x"}
    with pytest.raises(TypeError):
        to_toml(None)


def test_options_are_those_of_the_drivers(look):
    """The contract that the check reads is the drivers' own."""
    assert {"options", "default_address", "aliases", "kind"} <= set(Driver.__dataclass_fields__)
