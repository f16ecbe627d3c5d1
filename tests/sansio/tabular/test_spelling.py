"""Fields as they are spelt: found by their names in any text of rows, and put together again."""

from __future__ import annotations

import json

import msgspec
import pytest

from asyncexport.sansio.tabular import spelling
from asyncexport.sansio.tabular.spelling import columns_of, extra_text, extra_texts, names_in, pieces, split_row

TEXT = b'{"a":1.50,"b c":{"x": [1]},"d":2}\n{"d":3}\n{"b c":null,"a":"}\\n"}\n'


def spelt(columns: dict[str, spelling.Spelt]) -> dict[str, list[bytes | None]]:
    """Return columns as plain bytes."""
    return {name: [None if each is None else bytes(each) for each in column] for name, column in columns.items()}


@pytest.mark.parametrize("size", [1, 40, 1_000])
def test_fields_are_cut_out_of_rows(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that are asked for, as they are spelt, row by row, whatever the pieces; null is not none."""
    monkeypatch.setattr(spelling, "PIECE", size)
    assert spelt(columns_of(TEXT, ["b c", "a"])) == {
        "b c": [b'{"x": [1]}', None, b"null"],
        "a": [b"1.50", None, b'"}\\n"'],
    }
    assert columns_of(TEXT, []) == {}
    assert names_in(TEXT) == {"a", "b c", "d"}


@pytest.mark.parametrize("name", ['q"uote', "back\\slash", "tab\t", "\u00e9", ""])
def test_fields_of_any_name(name: str) -> None:
    """However it is spelt."""
    for spelling_of in (json.dumps(name), json.dumps(name, ensure_ascii=False), '"\\u0066resh"'):
        text = b'{"a":1,%s:2}\n{}\n' % spelling_of.encode()
        read = json.loads(spelling_of)
        assert names_in(text) == {"a", read}
        assert spelt(columns_of(text, [name, "fresh"]))[read] == [b"2", None]


DEEP = b"[" * 2_000 + b'{"]":"}"}' + b"]" * 2_000


@pytest.mark.parametrize("end", [b"}", b" }\n"])
def test_a_row_of_any_depth_is_split(end: bytes) -> None:
    """Like any other one: blanks, escapes in names and texts, brackets within texts; the last of two fields counts."""
    row = rb'{"a" : "}\"]{", "deep":' + DEEP + rb',"\u0061b":-1.5e3,"c":[{}] ,"d":null,"d" :"\\"' + end
    found = {name: bytes(value) for name, value in split_row(row).items()}
    assert found == {"a": rb'"}\"]{"', "deep": DEEP, "ab": b"-1.5e3", "c": b"[{}]", "d": rb'"\\"'}


@pytest.mark.parametrize("size", [1, 3, 10, 4_000, len(DEEP) + 5])
def test_a_deep_row_that_is_cut_off(size: int) -> None:
    """It is none, as of any other row."""
    with pytest.raises(msgspec.DecodeError):
        split_row((b'{"a":' + DEEP + b',"b":[1]}')[:size])


def test_a_name_that_stands_twice() -> None:
    """The last one counts."""
    assert spelt(columns_of(b'{"a":1,"a":2}\n', ["a"])) == {"a": [b"2"]}


def test_fields_become_one_object() -> None:
    """By name, each as it was spelt, whether rows are put together one by one or all at once."""
    columns = columns_of(TEXT, ["b c", "a"])
    expected = [b'{"a":1.50,"b c":{"x": [1]}}', None, b'{"a":"}\\n","b c":null}']
    assert list(extra_texts(columns)) == expected
    rows = [msgspec.json.decode(line, type=dict[str, msgspec.Raw]) for line in TEXT.splitlines()]
    one_by_one = [extra_text({name: row[name] for name in ("b c", "a") if name in row}) for row in rows]
    assert one_by_one == expected


def test_pieces_of_lines() -> None:
    """Each is whole lines, and together they are the text."""
    text = b"one\ntwo\nthree\n"
    assert list(pieces(text, 1)) == [b"one\n", b"two\n", b"three\n"]
    assert list(pieces(text, 4)) == [b"one\ntwo\n", b"three\n"]
    assert list(pieces(text, 99)) == [text]
    assert list(pieces(b"", 1)) == []
