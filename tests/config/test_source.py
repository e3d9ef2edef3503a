"""Files that are hardly TOML: each gets its line, and a remedy where the mistake is an easy one."""

import os

import pytest

from gateway.config import check

HEAD = "[node]\n"


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("baud = ๙๖๐๐", "๙๖๐๐ are Thai digits, write 9600"),
        ("id = “nimman”", "these are curly quotes"),
        ("id = ‘nimman’", "these are curly quotes"),
        ("port = /dev/ttyUSB0", 'put the value in quotes: port = "/dev/ttyUSB0"'),
        ("every = 60 s", 'put the value in quotes: every = "60 s"'),
        ("confirms = True", "write true or false, in small letters"),
        ("confirms = yes", "write true or false, in small letters"),
        ('id: "nimman"', "write key = value, with an equals sign"),
        ('path = "C:\\data"', "single quotes"),
        ('id = "nimman', "the closing quote is missing"),
        ("since = 2567-02-29", "2567 is a Buddhist-era year, write 2024"),
        ('id = "a"\nid = "b"', "it stands here for the second time, keep one"),
        ("[node]", "it stands here for the second time, keep one"),
    ],
)
def test_remedies_of_syntax(look, line, remedy):
    config, findings = look(HEAD + line + "\n[mqtt]\n")
    assert config is None
    [finding] = findings
    # a table that is declared twice is noticed at its name's end, and the value of the line before may end late
    assert int(finding.split()[0]) == len((HEAD + line).splitlines())
    assert remedy in finding


def test_thai_words_need_no_remedy(look):
    """Thai digits and curly quotes inside a quoted text or a comment are no mistake."""
    _, findings = look(HEAD + 'name = { th = "ห้อง ๙ “เหนือ”" } # ๙ “”\nx y\n')
    [finding] = findings
    assert "Thai digits" not in finding
    assert "curly" not in finding


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        ('"๖๐ s"', "๖๐ are Thai digits, write 60"),
        ("2569-01-01", "2569 is a Buddhist-era year, write 2026"),
        ('"2569-01-01"', "2569 is a Buddhist-era year, write 2026"),
        ('"๒๕๖๙-๐๑-๐๑"', "2569 is a Buddhist-era year, write 2026"),
        ('"“60 s”"', "these are curly quotes"),
    ],
)
def test_remedies_of_values(look, value, remedy):
    _, findings = look(
        f'[mqtt]\nconfirm = "stored"\nurl = "mqtt://h"\nkeepalive = {value}\n[ingest]\nsqlite = {{ path = "x" }}'
    )
    [finding] = findings
    assert finding.startswith("4 mqtt.keepalive: ")
    assert finding.endswith(remedy) or remedy in finding


def test_a_sequence_number_is_no_year(look):
    _, findings = look(
        '[mqtt]\nconfirm = "stored"\nurl = "mqtt://h"\nkeepalive = "25690 s"\n[ingest]\nsqlite = { path = "x" }'
    )
    assert "Buddhist" not in findings[0]


def test_byte_order_marks_and_encodings(look):
    text = '[ingest]\nsqlite = { path = "x" }\n[mqtt]\nurl = "mqtt://h"\nconfirm = "stored"\n# ก\n'
    assert look(b"\xef\xbb\xbf" + text.encode())[1] == []
    assert look(text.replace("\n", "\r\n"))[1] == []
    assert look(text.encode("utf-16"))[1] == ["1 : this is not UTF-8; save the file again with the encoding UTF-8"]
    assert look(text.encode("cp874"))[1] == ["6 : this is not UTF-8; save the file again with the encoding UTF-8"]


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "[" * 100_000 + "]" * 100_000,
        "a = " + "[\n" * 100_000,
        "a = " + "{ a = " * 50_000,
        "a" + ".a" * 100_000 + " = 1",
        "[" + "a." * 100_000 + "a]",
        "\0",
        "a = '\0'",
        "=",
        "[[[a]]]",
        "[device]\n[[device]]",
        "x = 99999999999999999999999999999999999999\n" * 2,
        "x = " + "9" * 5000,
        "a = 1 #" + "x" * (1 << 20),
    ],
)
def test_nonsense_is_a_finding_and_no_crash(look, text):
    config, findings = look(text)
    assert config is None
    assert findings
    assert all(len(finding) < 2000 for finding in findings)


def test_what_is_no_file(tmp_path, folder, drivers):
    def only(path):
        config, [problem] = check(path, known_drivers=drivers)
        assert (config, problem.file) == (None, path)
        return problem.message

    assert only(folder) == "this folder holds no *.toml"
    assert only(tmp_path / "none.toml") == "cannot be read: No such file or directory"
    os.mkfifo(tmp_path / "pipe")
    assert only(tmp_path / "pipe") == "not a regular file"
    assert only(tmp_path / ("x" * 300)).startswith("cannot be read")
    for number in range(501):
        (folder / f"{number}.toml").touch()
    assert only(folder) == "more than 500 *.toml files"
