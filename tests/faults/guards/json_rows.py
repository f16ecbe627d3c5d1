"""Guards of the JSON decoder: what makes a row a row."""

from __future__ import annotations

from tests.faults.guards.mutant import Mutant

_ROWS = (
    "tests/sansio/decoding/test_pieces.py",
    "tests/sansio/decoding/test_rows.py",
    "tests/sansio/decoding/test_row_proof.py",
    "tests/test_batch.py",
)

JSON_ROWS = (
    Mutant(
        "the array need not be closed",
        "sansio/decoding/rows.py",
        "if self._expected is not _END:",
        "if False:",
        _ROWS,
    ),
    Mutant(
        "a second document may follow",
        "sansio/decoding/rows.py",
        'raise self._fault(JsonSyntax, "something follows the end of the array")',
        "self._at = len(self._buffer)",
        _ROWS,
    ),
    Mutant(
        "an array may end with a comma",
        "sansio/decoding/rows.py",
        'if byte == ord("]") and self._expected is _ROW_OR_END:',
        'if byte == ord("]"):',
        _ROWS,
    ),
    Mutant(
        "rows are not proved",
        "sansio/decoding/rows.py",
        "    def _prove(self, text: bytes) -> None:\n        if is_json(text):",
        "    def _prove(self, text: bytes) -> None:\n        if text:",
        _ROWS,
    ),
    Mutant(
        "elements of a piece need not be objects",
        "sansio/decoding/pieces.py",
        "if set(map(_first_byte, rows)) != _OBJECTS:",
        "if False:",
        _ROWS,
    ),
    Mutant(
        "a piece need not be UTF-8",
        "sansio/decoding/pieces.py",
        "if not array.isascii():",
        "if False:",
        _ROWS,
    ),
    Mutant(
        "only rows that begin with other letters need be UTF-8",
        "sansio/decoding/pieces.py",
        "if not marked.isascii()]",
        'if marked[:1] > b"\\x7f"]',
        _ROWS,
    ),
    Mutant(
        "no limit to the depth of a piece's text",
        "sansio/decoding/pieces.py",
        "if max(map(len, marks)) > depth and _too_deep(text, marks, depth)",
        "if False",
        _ROWS,
    ),
    Mutant(
        "no limit to the depth of a piece's objects",
        "sansio/decoding/pieces.py",
        "_objects(min(depth, _BUILT_LEVELS))",
        "_objects(_BUILT_LEVELS)",
        _ROWS,
    ),
    Mutant(
        "no limit to a row in a piece",
        "sansio/decoding/rows.py",
        "if size > min(_LARGEST_PIECE, self._limits.row):",
        "if size > _LARGEST_PIECE:",
        _ROWS,
    ),
    Mutant(
        "no limit to the rows of a piece of text",
        "sansio/decoding/rows.py",
        "if lines is None or self._count + len(lines.rows) > self._limits.rows:",
        "if lines is None:",
        _ROWS,
    ),
    Mutant(
        "no limit to the rows of a piece of objects",
        "sansio/decoding/rows.py",
        "if rows is None or self._count + len(rows) > self._limits.rows:",
        "if rows is None:",
        _ROWS,
    ),
    Mutant(
        "no limit to a row",
        "sansio/decoding/rows.py",
        "if end - self._at > self._limits.row:",
        "if False:",
        _ROWS,
    ),
    Mutant(
        "no limit to the rows",
        "sansio/decoding/rows.py",
        "if self._count == self._limits.rows:",
        "if False:",
        _ROWS,
    ),
    Mutant(
        "no limit to the depth",
        "sansio/decoding/rows.py",
        "if too_deep(row, self._limits.depth):",
        "if False:",
        (*_ROWS, "tests/sansio/decoding/test_row_depth.py"),
    ),
    Mutant(
        "a byte order mark is passed over",
        "sansio/decoding/rows.py",
        'raise self._fault(JsonSyntax, "it begins with a byte order mark")',
        "self._at += 3",
        _ROWS,
    ),
    Mutant(
        "invalid UTF-8 is not named",
        "sansio/decoding/row_proof.py",
        '        yield Fault(JsonEncoding, error.start, "bytes that are not UTF-8")',
        "        del error",
        _ROWS,
    ),
    Mutant(
        "halves of surrogate pairs are not named",
        "sansio/decoding/row_proof.py",
        '    if (lone := _first(_ESCAPE, "lone", text)) is not None:',
        "    if (lone := None) is not None:",
        _ROWS,
    ),
    Mutant(
        "NaN is a number",
        "sansio/decoding/row_proof.py",
        "json.JSONDecoder(parse_constant=_refuse, parse_int",
        "json.JSONDecoder(parse_int",
        _ROWS,
    ),
    Mutant(
        "objects in strings stay strings",
        "sansio/decoding/rows.py",
        "        row = orjson.loads(quoted).encode()",
        "        row = quoted",
        _ROWS,
    ),
    Mutant(
        "large integers become floats",
        "batch.py",
        'rb"[0-9]{19}"',
        'rb"[0-9]{400}"',
        _ROWS,
    ),
    Mutant(
        "a number beyond a double is infinite",
        "batch.py",
        "    if math.isinf(value):",
        "    if False:",
        _ROWS,
    ),
)
