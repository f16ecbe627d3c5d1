"""Rows out of an array: as they were spelt, at any chunking, or a typed error."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import chain, pairwise, repeat
from typing import Any, NoReturn

import ijson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.batch import Batch
from asyncexport.errors import (
    BombLimit,
    DecodeError,
    JsonEncoding,
    JsonSyntax,
    JsonTruncated,
    RowTooLarge,
    UnexpectedShape,
)
from asyncexport.sansio.decoding import rows as module
from asyncexport.sansio.decoding.rows import BATCH, RowLimits, Rows
from tests.support import feed_all, feed_every_way, pieces_of, steady

NASTY = '},{"a":'
TEXTS = st.text(alphabet='{}[],:"\\ /bnu\u2028ü😀', max_size=12) | st.sampled_from(
    [NASTY, "\\", '"', "},\n  {", "\x7f"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
ARRAYS = st.lists(st.dictionaries(TEXTS | st.just("a"), VALUES, max_size=4), max_size=6)
STYLES: list[dict[str, Any]] = [
    {"separators": (",", ":")},
    {},
    {"indent": 2},
    {"indent": "\t"},
    {"indent": 0, "separators": (" ,\r\n", "\t: ")},
    {"ensure_ascii": False},
    {"ensure_ascii": False, "indent": 1},
]


def dumps(rows: list[Any], style: dict[str, Any]) -> bytes:
    return json.dumps(rows, **style).encode()


def lines(text: bytes, limits: RowLimits | None = None) -> list[bytes]:
    """Return the rows' text, fed in every way; hold what every batch promises."""
    batches = feed_every_way(lambda: Rows(limits), text)
    for batch in batches:
        assert batch.text.endswith(b"\n")
        assert batch.text.count(b"\n") == batch.count
    assert [batch.first for batch in batches] == [sum(b.count for b in batches[:at]) for at in range(len(batches))]
    return b"".join(batch.text for batch in batches).splitlines()


def campaign(number: int, **more: Any) -> dict[str, Any]:
    budget = {
        "budgetType": "MONETARY",
        "budgetValue": {"monetaryBudget": {"amount": number / 4, "currencyCode": "EUR"}},
    }
    tags = [{"key": "a", "value": NASTY}, {"key": "b", "value": "ü"}]
    return {
        "campaignId": str(10**17 + number),
        "name": f"Campaign {number}",
        "budgetCaps": budget,
        "tags": tags,
        **more,
    }


def test_rows_come_out_as_they_were_spelt() -> None:
    """No number, escape or blank inside a line is changed; only line breaks between tokens go."""
    spelt = [
        rb'{"n":1.0,"m":-0,"e":1E+5,"i":12345678901234567890123,"big":1e400}',
        rb'{ "s" : "\u00fc\/\ud83d\ude00" }',
        rb"{}",
    ]
    assert lines(b"[" + b",".join(spelt) + b"]") == spelt
    assert lines(b'[{"a":\r\n  [1,\n\r2],\n"b":"\\n"}\n]') == [b'{"a":  [1,2],"b":"\\n"}']


@pytest.mark.parametrize("text", [b"[]", b" [ ] ", b"\r\n[\t]\n"])
def test_an_empty_array_is_a_success_without_rows(text: bytes) -> None:
    """No rows is an answer."""
    assert lines(text) == []


@pytest.mark.parametrize("style", STYLES)
def test_every_way_of_writing_json_is_read(style: dict[str, Any]) -> None:
    """Compact, spaced, indented, escaped or not: the same rows."""
    rows = [campaign(number) for number in range(40)]
    assert [json.loads(line) for line in lines(dumps(rows, style))] == rows


@steady
@given(ARRAYS, st.sampled_from(STYLES), st.lists(st.integers(0, 2000), max_size=8))
def test_any_array_of_objects_is_read_at_any_chunking(
    rows: list[dict[str, Any]], style: dict[str, Any], cuts: list[int]
) -> None:
    """Round trip against the standard library: keys and strings may look like structure, chunks may end anywhere."""
    text = dumps(rows, style)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    batches = feed_all(Rows(), (text[start:end] for start, end in pairwise(edges)))
    made = b"".join(batch.text for batch in batches).splitlines()
    assert [json.loads(line) for line in made] == json.loads(text)


@steady
@given(ARRAYS.filter(bool), st.sampled_from(STYLES))
def test_a_streaming_parser_of_another_kind_agrees(rows: list[dict[str, Any]], style: dict[str, Any]) -> None:
    """What ijson takes out of the array is what we take out of it."""
    text = dumps(rows, style)
    made = [json.loads(line, parse_float=Decimal) for line in lines(text)]
    assert made == list(ijson.items(io.BytesIO(text), "item"))


def refuse(word: str) -> NoReturn:
    raise ValueError(word)


def strict(text: str) -> Any:
    value = json.loads(text, parse_constant=refuse)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def oracle(text: bytes) -> list[Any] | None:
    """Return the rows by the standard library alone; None for what is not one array of objects."""
    try:
        value = strict(text.decode())
        rows = [strict(row) if isinstance(row, str) else row for row in value] if isinstance(value, list) else [None]
    except ValueError:
        return None
    return rows if all(isinstance(row, dict) for row in rows) else None


@steady
@given(ARRAYS, st.sampled_from(STYLES), st.data())
def test_mutated_arrays_are_judged_like_the_oracle(
    rows: list[dict[str, Any]], style: dict[str, Any], data: st.DataObject
) -> None:
    """A byte replaced, inserted, deleted or everything behind it: refused if and only if the oracle refuses."""
    text = bytearray(dumps(rows, style))
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(
        st.sampled_from([b"", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\xff", b"0", b"/*"])
    )
    text[at : at + data.draw(st.sampled_from([0, 1, len(text)]))] = new
    expected = oracle(bytes(text))
    if expected is None:
        with pytest.raises(DecodeError):
            lines(bytes(text))
    else:
        assert [strict(line.decode()) for line in lines(bytes(text))] == expected


@pytest.mark.parametrize(
    ("text", "error", "offset", "row"),
    [
        pytest.param(b'[{"a":1},]', JsonSyntax, 9, 1, id="a trailing comma"),
        pytest.param(b'[,{"a":1}]', JsonSyntax, 1, 0, id="a leading comma"),
        pytest.param(b'[{"a":1},,{"a":1}]', JsonSyntax, 9, 1, id="two commas"),
        pytest.param(b'[{"a":1}{"a":1}]', JsonSyntax, 8, 1, id="no comma"),
        pytest.param(b'[{"a":1}]]', JsonSyntax, 9, 1, id="one bracket too many"),
        pytest.param(b'[{"a":1}] []', JsonSyntax, 10, 1, id="two documents"),
        pytest.param(b"[] x", JsonSyntax, 3, 0, id="data behind the end"),
        pytest.param(b"[]\x00", JsonSyntax, 2, 0, id="NUL behind the end"),
        pytest.param(b"\xef\xbb\xbf[]", JsonSyntax, 0, 0, id="a byte order mark"),
        pytest.param(b"\x1f\x8b\x08\x00", JsonSyntax, 0, 0, id="gzip inside gzip"),
        pytest.param(b"<html></html>", JsonSyntax, 0, 0, id="a page"),
        pytest.param(b'[{"a":1},/*x*/{"a":1}]', JsonSyntax, 9, 1, id="a comment"),
        pytest.param(b'[{"a":1},{"a":x}]', JsonSyntax, 14, 1, id="a bare word"),
        pytest.param(b'[{"a":[}]]', JsonSyntax, 7, 0, id="brackets that do not match"),
        pytest.param(b"[{'a':1}]", JsonSyntax, 2, 0, id="single quotes"),
        pytest.param(b'[{"a":NaN}]', JsonSyntax, 6, 0, id="NaN"),
        pytest.param(b"[NaN]", JsonSyntax, 1, 0, id="NaN as an element"),
        pytest.param(b'[{"a":"\n"}]', JsonSyntax, 7, 0, id="a raw line break in a string"),
        pytest.param(b'[{"a":1},{"b":"\xff"}]', JsonEncoding, 15, 1, id="no UTF-8"),
        pytest.param(b'[{"a":1},{"b":"\\udc00"}]', JsonEncoding, 15, 1, id="half a pair"),
        pytest.param(b'{"a":1}', UnexpectedShape, 0, 0, id="an object"),
        pytest.param(b'  "text"', UnexpectedShape, 2, 0, id="a string"),
        pytest.param(b"null", UnexpectedShape, 0, 0, id="null"),
        pytest.param(b"[1]", UnexpectedShape, 1, 0, id="an array of numbers"),
        pytest.param(b'[{"a":1},null]', UnexpectedShape, 9, 1, id="null among rows"),
        pytest.param(b"[[{}]]", UnexpectedShape, 1, 0, id="an array of arrays"),
        pytest.param(b'["text"]', UnexpectedShape, 1, 0, id="a string that holds no object"),
        pytest.param(b'["[]"]', UnexpectedShape, 1, 0, id="a string that holds an array"),
        pytest.param(b"", JsonTruncated, 0, 0, id="nothing"),
        pytest.param(b"  ", JsonTruncated, 2, 0, id="nothing but blanks"),
        pytest.param(b"[", JsonTruncated, 1, 0, id="an open array"),
        pytest.param(b'[{"a":1}', JsonTruncated, 8, 1, id="no end of the array"),
        pytest.param(b'[{"a":1},', JsonTruncated, 9, 1, id="an end behind a comma"),
        pytest.param(b'[{"a":1},{"a":"', JsonTruncated, 9, 1, id="an end inside a row"),
        pytest.param(b'["{\\"a\\":', JsonTruncated, 1, 0, id="an end inside a string"),
    ],
)
def test_what_is_no_array_of_objects_is_refused(text: bytes, error: type[DecodeError], offset: int, row: int) -> None:
    """Every kind of fault has its error, with the byte offset and the number of whole rows before it."""
    with pytest.raises(DecodeError) as caught:
        lines(text)
    assert (type(caught.value), caught.value.offset, caught.value.row) == (error, offset, row)
    assert f"byte {offset}, row {row}" in str(caught.value)


def test_every_proper_prefix_is_refused() -> None:
    """A torn array is never a shorter array."""
    text = dumps([campaign(1), campaign(2)], {})
    for end in range(len(text)):
        with pytest.raises(JsonTruncated):
            feed_all(Rows(), iter([text[:end]]))


@pytest.mark.parametrize("start", [b"<", b"{", b"\xef", b"   x"])
def test_a_hopeless_start_is_refused_at_once(start: bytes) -> None:
    """The first byte that is no blank decides; nothing is waited for."""
    with pytest.raises((JsonSyntax, UnexpectedShape)):
        list(Rows().feed(start))


def test_a_string_that_holds_an_object_is_a_row() -> None:
    """An element that was encoded twice is unwrapped, and may stand among others."""
    rows = [campaign(1), {"name": 'quote " and \\ and\nbreak'}, {}]
    text = json.dumps([json.dumps(row) for row in rows] + [campaign(2)] + [json.dumps(campaign(3), indent=2)]).encode()
    assert [json.loads(line) for line in lines(text)] == [*rows, campaign(2), campaign(3)]


@pytest.mark.parametrize("inner", ['{"a":1', '{"a":NaN}', '{"a":1} {}', '{"a":"\n"}'])
def test_a_string_is_judged_like_any_row(inner: str) -> None:
    """What an unwrapped row must not hold is the same."""
    with pytest.raises(JsonSyntax):
        lines(json.dumps([inner]).encode())


def test_an_element_that_is_a_broken_string_is_refused() -> None:
    """The string itself must be JSON."""
    with pytest.raises(JsonSyntax):
        lines(b'["{\\x}"]')


def test_batches_depend_on_the_text_alone() -> None:
    """They hold about 64 KiB whatever the chunks; a row that is larger ends its batch."""
    text = dumps([campaign(number) for number in range(800)] + [campaign(0, pad="x" * 3 * BATCH), campaign(1)], {})
    whole = feed_all(Rows(), iter([text]))
    assert whole == feed_all(Rows(), pieces_of(text, 1000))
    assert all(BATCH <= len(batch.text) + batch.count < BATCH + 500 for batch in whole[:-2])
    assert whole[-1].count == 1


def test_an_iterator_that_was_dropped_loses_nothing() -> None:
    """What was fed and not read comes out with what is fed next."""
    text = dumps([campaign(number) for number in range(500)], {})
    parser = Rows()
    first = next(parser.feed(text[:-1]))
    rest = [*parser.feed(text[-1:]), *parser.close()]
    assert [first, *rest] == feed_all(Rows(), iter([text]))


@pytest.mark.parametrize(("limit", "levels"), [(64, 64), (1, 1), (1024, 1024)])
def test_depth_is_allowed_up_to_its_limit(limit: int, levels: int) -> None:
    """The row itself is the first level."""

    def nested(depth: int) -> bytes:
        return b'[{"a":' + b"[" * (depth - 1) + b"1" + b"]" * (depth - 1) + b'},{"a":1}]'

    limits = RowLimits(depth=limit)
    assert len(lines(nested(levels), limits)) == 2
    with pytest.raises(JsonSyntax, match="deeper"):
        lines(nested(levels + 1), limits)


def test_a_hundred_thousand_levels_are_no_recursion() -> None:
    """Hostile depth is a typed error, whole or cut."""
    for text in (b'[{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}]", b'[{"a":' + b"[" * 100_000):
        with pytest.raises(JsonSyntax, match="deeper"):
            feed_all(Rows(), pieces_of(text, 65_536))


def test_an_integer_of_any_length_is_text() -> None:
    """The interpreter's limit of digits does not apply to what is passed through."""
    row = b'{"a":' + b"7" * 10_000 + b"}"
    assert lines(b"[" + row + b"," + row + b"]") == [row, row]


def test_more_rows_than_allowed_are_a_bomb() -> None:
    """The count of rows is limited, and the limit itself allowed."""
    assert len(lines(b"[{},{},{}]", RowLimits(rows=3))) == 3
    with pytest.raises(BombLimit, match="more than 3 rows"):
        lines(b"[{},{},{},{}]", RowLimits(rows=3))


def test_a_row_as_large_as_allowed_is_read() -> None:
    """One byte more is refused, in whatever pieces it comes, and whatever the rows before it looked like."""
    row = b'{"a":"' + b"x" * 10_000 + b'"}'
    for before in (b"", b'{"a":"1"},{"a":"2"},', b'{"a":"1"},'):
        text = b"[" + before + row + b',{"a":"3"}]'
        assert row in lines(text, RowLimits(row=len(row)))
        with pytest.raises(RowTooLarge):
            lines(text, RowLimits(row=len(row) - 1))


def test_a_string_element_as_large_as_allowed_is_read() -> None:
    """Elements that are strings obey the same limit, counted as they are spelt."""
    text = json.dumps([json.dumps({"a": "x" * 10_000})]).encode()
    assert len(lines(text, RowLimits(row=len(text) - 2))) == 1
    with pytest.raises(RowTooLarge):
        lines(text, RowLimits(row=len(text) - 3))


@pytest.mark.parametrize("endless", [b'[{"a":"', b'[{"a":{}},{"a":[1,', b'["'])
def test_a_row_without_end_never_fills_the_memory(endless: bytes) -> None:
    """Not more than the limit and one chunk is ever held."""
    limit, chunk = 200_000, b"1," * 5_000
    parser, held = Rows(RowLimits(row=limit)), [0]
    with pytest.raises(RowTooLarge):
        for piece in chain([endless], repeat(chunk, 1000)):
            list(parser.feed(piece))
            held.append(len(parser._buffer))
    assert max(held) <= limit + len(chunk)


def test_blanks_without_end_are_not_held() -> None:
    """Blanks between rows cost nothing but their reading."""
    parser = Rows()
    list(parser.feed(b"["))
    for _ in range(100):
        list(parser.feed(b" \n" * 50_000))
        assert len(parser._buffer) == 0
    assert feed_all(parser, iter([b"{}]"])) == [Batch(b"{}\n", 1, 0)]


def test_damage_is_told_from_a_row_that_has_not_come_in() -> None:
    """A lost quote early in a large export is found where it is, not at the limit of a row."""
    good = dumps([campaign(number) for number in range(2000)], STYLES[0])
    damaged = good.replace(b'"name":"Campaign 10"', b'"name":"Campaign 10', 1)
    with pytest.raises(JsonSyntax) as caught:
        feed_all(Rows(), pieces_of(damaged, 65_536))
    assert caught.value.row == 10


def test_errors_say_nothing_of_the_text() -> None:
    """No fault quotes what the export holds, and no foreign exception hangs on it."""
    for fault in (b"\xff", b"\\ud800", b"\\x", b"\n", b'" "', b'",}', b'"', b'":NaN,"'):
        text = b'[{"canary":"canary' + fault + b'canary"},{"canary":"canary"}]'
        with pytest.raises(DecodeError) as caught:
            feed_all(Rows(), iter([text]))
        assert "canary" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


@pytest.mark.parametrize("text", [b'[{"a":x}]', b"[] x", b"[1]", b"{}"])
def test_after_an_error_the_end_is_still_refused(text: bytes) -> None:
    """Who swallows the error of feed() does not get a success from close()."""
    parser = Rows()
    with pytest.raises(DecodeError):
        feed_all(parser, iter([text]))
    with pytest.raises(DecodeError):
        parser.close()


def test_repr_says_where_it_is() -> None:
    """One line: rows so far and what comes next."""
    parser = Rows()
    list(parser.feed(b"["))
    assert repr(parser) == "<Rows 0 so far, expects a row or the end of the array>"


class CountingBuffer(bytearray):
    """A buffer that counts the bytes its searches go over."""

    searched = 0

    def find(self, *args: Any) -> int:
        found = super().find(*args)
        start = args[1]
        self.searched += max(0, (len(self) if found < 0 else found) - start)
        return found

    def rfind(self, *args: Any) -> int:
        found = super().rfind(*args)
        start, end = args[1:]
        self.searched += max(0, end - max(found, start))
        return found


def work(text: bytes, chunk: int, *, objects: bool = False) -> int:
    """Return how many bytes were looked at, by searches, bracket counts, proofs and judges, to read ``text``."""
    looked = 0

    def counted(real: Callable[..., Any], cost: Callable[..., int]) -> Callable[..., Any]:
        def wrapped(*args: Any, **keywords: Any) -> Any:
            nonlocal looked
            result = real(*args, **keywords)
            looked += cost(result, *args)
            return result

        return wrapped

    def scanned(end: int, text: bytes, at: int) -> int:
        return (end if end > 0 else len(text)) - at

    def judged(_: object, row: bytes, *_others: object) -> int:
        return len(row)

    parser, buffer = Rows(objects=objects), CountingBuffer()
    parser._buffer = buffer
    costs: dict[str, Callable[..., int]] = {
        "object_end": scanned,
        "string_end": scanned,
        "is_json": judged,
        "lines_of": judged,
        "rows_of": judged,
        "first_fault": judged,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, cost in costs.items():
            patch.setattr(module, name, counted(getattr(module, name), cost))
        feed_all(parser, pieces_of(text, chunk))
    return looked + buffer.searched


def rows_of(make: Callable[[int], bytes]) -> bytes:
    return b"[" + b",".join(make(number) for number in range(30_000)) + b"]"


SHAPES = {
    "rows": rows_of(lambda n: b'{"a":%d}' % n),
    "empty rows": rows_of(lambda _: b"{}"),
    "keys that differ": rows_of(lambda n: b'{"k%d":1}' % n),
    "keys in turn": rows_of(lambda n: b'{"k%d":1}' % (n % 50)),
    "nested rows with the same first key": rows_of(lambda _: b'{"a":[{"a":1},{"a":2}]}'),
    "a second row that misleads": b'[{"a":1},{"a":2}' + b',{"b":1}' * 30_000 + b"]",
    "strings": rows_of(lambda n: b'"{\\"a\\":%d}"' % n),
    "one large row": b'[{"a":[' + b"1," * 150_000 + b"1]}]",
    "one large string": b'[{"a":"' + b'},{\\"a\\"' * 30_000 + b'"}]',
    "rows that are proved by nothing fast": rows_of(lambda n: b'{"a":%d,"b":1e400}' % n),
    "rows that may be too deep": rows_of(lambda _: b'{"a":"' + b"[" * 70 + b'"}'),
    "rows with many levels": rows_of(lambda _: b'{"a":' + b"[" * 9 + b"]" * 9 + b"}"),
    "one large deep row": b'[{"a":[' + b"[[[[[[[[[[]]]]]]]]]]," * 15_000 + b"1]}]",
}


@pytest.mark.parametrize("objects", [False, True])
@pytest.mark.parametrize("chunk", [1_000, 65_536, 10**9])
@pytest.mark.parametrize("shape", SHAPES)
def test_work_grows_with_the_text_and_not_faster(shape: str, chunk: int, objects: bool) -> None:
    """Whatever the shape, every byte is looked at a bounded number of times: counted, not timed."""
    assert work(SHAPES[shape], chunk, objects=objects) <= 8 * len(SHAPES[shape])


@pytest.mark.parametrize("objects", [False, True])
def test_rows_that_look_alike_are_parsed_once(objects: bool) -> None:
    """The usual export is parsed once, and hardly searched for the ends of its rows."""
    text = dumps([campaign(number) for number in range(2000)], STYLES[0])
    assert work(text, 65_536, objects=objects) <= 1.2 * len(text)


SMALL = st.integers(1, 120)


@contextmanager
def small_pieces(size: int) -> Iterator[None]:
    """Let pieces and batches be of about ``size`` bytes, so that small arrays have many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BATCH", size)
        patch.setattr(module, "_LARGEST_PIECE", 4 * size)
        yield


@steady
@given(ARRAYS, st.sampled_from(STYLES), SMALL, st.integers(1, 6))
def test_batches_of_any_size_are_the_same_at_any_chunking(
    rows: list[dict[str, Any]], style: dict[str, Any], size: int, times: int
) -> None:
    """Pieces are cut where rows were cut before; what comes out depends on the text alone."""
    text = dumps(rows * times, style)
    with small_pieces(size):
        assert [json.loads(line) for line in lines(text)] == rows * times


@steady
@given(ARRAYS.filter(bool), st.sampled_from(STYLES), SMALL, st.data())
def test_mutated_arrays_in_small_pieces_are_judged_like_the_oracle(
    rows: list[dict[str, Any]], style: dict[str, Any], size: int, data: st.DataObject
) -> None:
    """However a fault lies to the pieces, it is named where it is named without them, for text and for objects."""
    text = bytearray(dumps(rows * data.draw(st.integers(1, 4)), style))
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.sampled_from([b"", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b"\n", b"\xff", b"0", b"},{"]))
    text[at : at + data.draw(st.sampled_from([0, 1, len(text)]))] = new
    expected = outcome(bytes(text))
    with small_pieces(size):
        assert outcome(bytes(text)) == expected
        for step in (1, 7, 65_536):
            assert outcome(bytes(text), step, objects=True) == expected


def outcome(text: bytes, step: int = 0, *, objects: bool = False) -> object:
    """Return the rows, or what is wrong and where."""
    try:
        if not step:
            return [json.loads(line) for line in lines(text)]
        batches = feed_all(Rows(objects=objects), pieces_of(text, step))
    except DecodeError as error:
        return type(error), error.offset, error.row
    assert [batch.first for batch in batches] == [sum(b.count for b in batches[:at]) for at in range(len(batches))]
    assert [json.loads(line) for batch in batches for line in batch.text.splitlines()] == [
        row for batch in batches for row in batch.rows()
    ]
    return [json.loads(line) for batch in batches for line in batch.text.splitlines()]


def test_objects_are_built_in_advance_where_they_are_wanted() -> None:
    """The rows of most batches come from the one parse that proved them; text is there as well."""
    rows = [campaign(number) for number in range(2000)]
    batches = feed_all(Rows(objects=True), iter([dumps(rows, {"indent": 1})]))
    assert sum(batch._built is not None for batch in batches) >= len(batches) - 2
    assert [json.loads(line) for batch in batches for line in batch.text.splitlines()] == rows
    assert [row for batch in batches for row in batch.rows()] == rows


@pytest.mark.parametrize("objects", [False, True])
@pytest.mark.parametrize(
    ("row", "limits", "error"),
    [
        pytest.param(b'{"a":[[1]]}', RowLimits(depth=2), JsonSyntax, id="levels"),
        pytest.param(b'{"a":"' + b"x" * 90 + b'"}', RowLimits(row=90), RowTooLarge, id="size"),
        pytest.param(b'{"a":1}', RowLimits(rows=5_000), BombLimit, id="rows"),
        pytest.param(b'{"a":"\xff"}', RowLimits(), JsonEncoding, id="UTF-8"),
        pytest.param(b"[]", RowLimits(), UnexpectedShape, id="no object"),
    ],
)
def test_limits_hold_among_thousands_of_rows(
    row: bytes, limits: RowLimits, error: type[DecodeError], objects: bool
) -> None:
    """A fault in the middle of a piece is found, with its place and the number of rows before it."""
    good = b'{"a":1},' * 5_000
    with pytest.raises(error) as caught:
        feed_all(Rows(limits, objects=objects), iter([b"[" + good + row + b"," + good[:-1] + b"]"]))
    assert caught.value.row == 5_000
    assert caught.value.offset == 1 + len(good) + (row.index(b"\xff") if error is JsonEncoding else 0)


def test_a_batch_gives_objects_on_demand() -> None:
    """Batches can be read as rows."""
    (batch,) = feed_all(Rows(), iter([b'[{"a":12345678901234567890}]']))
    assert batch == Batch(b'{"a":12345678901234567890}\n', 1, 0)
    assert batch.rows() == [{"a": 12345678901234567890}]
