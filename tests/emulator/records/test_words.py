"""The vocabulary of faults."""

from __future__ import annotations

import pytest

from asyncexport.emulator.records.words import STAGES, VOCABULARY, parse_word

EXAMPLES = [
    ("download", "return-503", "return", ("503",)),
    ("request", "retry-after-3", "retry-after", ("3",)),
    ("request", "retry-after-never", "retry-after", ("never",)),
    ("request", "retry-after-date--5", "retry-after-date", ("-5",)),
    ("request", "no-retry-after", "no-retry-after", ()),
    ("download", "broken-after-4096", "broken-after", ("4096",)),
    ("download", "fin-after-50%", "fin-after", ("50%",)),
    ("download", "stall-1.5-after-30%", "stall", ("1.5", "30%")),
    ("download", "drip-100", "drip", ("100",)),
    ("download", "flip-bit-77", "flip-bit", ("77",)),
    ("download", "expire-url", "expire-url", ()),
    ("poll", "expire-url-403", "expire-url-403", ()),
    ("poll", "evil-url-http://169.254.169.254/x", "evil-url", ("http://169.254.169.254/x",)),
    ("poll", "word-BEING%20MADE", "word", ("BEING MADE",)),
    ("poll", "fail-TIMED_OUT", "fail", ("TIMED_OUT",)),
    ("request", "id-a%2Fb", "id", ("a/b",)),
    ("token", "deny-invalid_grant", "deny", ("invalid_grant",)),
    ("poll", "deny-scope", "deny-scope", ()),
    ("token", "expires-in--1", "expires-in", ("-1",)),
    ("download", "content-encoding-br", "content-encoding", ("br",)),
    ("download", "redirect-https://evil.example/", "redirect", ("https://evil.example/",)),
]


@pytest.mark.parametrize(("stage", "text", "name", "args"), EXAMPLES, ids=[each[1] for each in EXAMPLES])
def test_a_word_is_its_name_and_its_numbers(stage: str, text: str, name: str, args: tuple[str, ...]) -> None:
    """A word reads as the entry it was meant for, with its arguments decoded, and prints as it was written."""
    word = parse_word(text, stage)
    assert (word.name, word.args) == (name, args)
    assert str(word) == text


@pytest.mark.parametrize("text", ["return-42", "retrun-503", "stall-after-5", "drip-0", "broken-after", "flip-bit-x"])
def test_a_word_that_does_not_exist_is_refused_with_those_that_do(text: str) -> None:
    """The error names the word and lists what the stage knows."""
    with pytest.raises(ValueError, match=rf"unknown word '{text}'; .* knows .*broken-after"):
        parse_word(text, "download")


def test_a_word_at_the_wrong_stage_is_refused_with_the_right_ones() -> None:
    """The error says where the word would mean something."""
    with pytest.raises(ValueError, match="means nothing at the stage 'token', only at request, poll"):
        parse_word("deny-scope", "token")


def test_every_entry_belongs_to_stages_that_exist() -> None:
    """No word names a stage there is not, and no two entries share a name."""
    assert all(entry.stages and entry.stages <= set(STAGES) for entry in VOCABULARY)
    assert len({entry.name for entry in VOCABULARY}) == len(VOCABULARY)
