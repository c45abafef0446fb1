"""CSV files as tables: what spreadsheets and network servers export, and how a problem is placed."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.csv_table import Row, read_rows
from fuota_fec.errors import ParameterError

FIELDS = ("dev_eui", "group", "fw_version")
COLUMNS = {"dev_eui": "DevEUI", "group": "Group"}


def rows_of(path: Path, content: str | bytes, columns: dict[str, str] | None = COLUMNS) -> list[Row]:
    path = path / "meters.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_rows(path, columns, FIELDS)


def refused(path: Path, content: str | bytes, columns: dict[str, str] | None = COLUMNS) -> list[str]:
    with pytest.raises(ParameterError) as caught:
        rows_of(path, content, columns)
    return [line.removeprefix(str(path / "meters.csv")) for line in caught.value.problems]


@pytest.mark.parametrize(
    "content",
    [
        "DevEUI,Group\n1,a\n2,b\n",
        "DevEUI;Group\n1;a\n2;b\n",
        "DevEUI\tGroup\n1\ta\n2\tb\n",
        "\ufeffDevEUI,Group\r\n1,a\r\n2,b\r\n",
        '"DevEUI","Group"\n"1","a"\n"2","b"',
        "\n\nDevEUI,Group,Note\n\n1,a,x\n,,\n2, b ,\n\n",
        "Group,Place,DevEUI\na,,1\nb,x,2\n",
        '"DevEUI","Group","Note"\n1,a,"two\nlines; and , more"\n2,b,""\n',
    ],
)
def test_usual_files_give_the_same_rows(tmp_path: Path, content: str):
    assert rows_of(tmp_path, content) == [{"dev_eui": "1", "group": "a"}, {"dev_eui": "2", "group": "b"}]


@given(
    st.lists(st.tuples(st.text("ab;,\"\t x'é", min_size=1), st.text("ab;, 1")), min_size=1, max_size=5),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_a_writer_writes_is_read(tmp_path_factory, cells, delimiter, end, quoting):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([("DevEUI", "Group"), *cells])
    found = rows_of(tmp_path_factory.mktemp("csv"), out.getvalue())
    plain = [{f: cell.strip() for f, cell in zip(COLUMNS, row, strict=True) if cell.strip()} for row in cells]
    assert found == [row for row in plain if row]


def test_a_row_knows_its_line_and_columns(tmp_path: Path):
    _, row = rows_of(tmp_path, 'DevEUI,Group\n1,"a\nb"\n\n2,c\n')
    path = tmp_path / "meters.csv"
    assert row.where == f"{path}, line 5"
    assert row.place("dev_eui") == f"{path}, line 5, column 'DevEUI'"
    assert row.place("loss") == f"{path}, line 5"


def test_without_columns_those_of_the_fields_names_are_read(tmp_path: Path):
    rows = rows_of(tmp_path, "Dev EUI,GROUP,FW-Version,serial\n1,a,3,x\n", None)
    assert rows == [{"dev_eui": "1", "group": "a", "fw_version": "3"}]


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        ("", [": is empty, expected a line with the names of the columns"]),
        ("\n\n", [": is empty, expected a line with the names of the columns"]),
        (
            "DevEUI,Group\n1\n2,b\n3,c,d\n",
            [f", line {n}: has {k} cells, expected 2, as the first line has" for n, k in ((2, 1), (4, 3))],
        ),
        ("DevEui,Group\n1,a\n", [", line 1: column 'DevEUI' is not there, did you mean 'DevEui'?"]),
        ("DevEUI,Group,DevEUI\n", [", line 1: column 'DevEUI' is there twice, expected once"]),
        ('DevEUI,Group\n1,"a\n', [", line 2: unexpected end of data"]),
        ('DevEUI,Group\n1,"a"b\n', [", line 2: ',' expected after '\"'"]),
        (b"DevEUI,Group\n\xff,a\n", [": cannot be read: not UTF-8 text"]),
    ],
)
def test_a_problem_is_placed(tmp_path: Path, content: str | bytes, problems: list[str]):
    assert refused(tmp_path, content) == problems


def test_a_column_of_a_field_that_does_not_exist_is_refused(tmp_path: Path):
    [problem] = refused(tmp_path, "DevEUI,Group\n", {"dev_ui": "DevEUI"})
    assert problem == "columns: 'dev_ui' is not a field, did you mean 'dev_eui'?"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    reasons = {"none.csv": "No such file or directory", ".": "it is a directory", "a\0": "embedded null"}
    for name, reason in reasons.items():
        with pytest.raises(ParameterError, match=f"cannot be read: {reason}"):
            read_rows(tmp_path / name, None, FIELDS)


@pytest.mark.parametrize("other", ["\x85", "\u2028", "\x0b", "\x0c", "\x1c"])
def test_only_cr_and_lf_end_a_line(tmp_path: Path, other: str):
    rows = rows_of(tmp_path, f"DevEUI,Group\r1,a{other}b\r2,c\r")
    assert [(row["group"], row.where.rpartition(" ")[2]) for row in rows] == [(f"a{other}b", "2"), ("c", "3")]


def test_a_file_without_names_of_columns_shows_no_keys(tmp_path: Path):
    [problem] = refused(tmp_path, f"0011223344556677,{'2b' * 16},x\n")[:1]
    assert problem == (
        ", line 1: column 'DevEUI' is not there, expected one of 0011223344556677, '(32 hexadecimal digits)', x"
    )
