"""``asyncexport rows``: one export file as JSON Lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import BinaryIO

import click

from asyncexport.app.context import CONTEXT
from asyncexport.app.exits import Exit, say
from asyncexport.errors import DecodeError, NotAnExport
from asyncexport.sansio.decoding.decode import Decoder

CHUNK = 64 * 1024


@click.command("rows", context_settings=CONTEXT)
@click.argument("file", type=click.File("rb"))
@click.pass_context
def command(ctx: click.Context, /, *, file: BinaryIO) -> None:
    """Decode one export file to JSON Lines on stdout.

    FILE is an export as Amazon stores it, gzip or plain JSON, or - for stdin. A file that is damaged ends with exit
    status 1 after the rows before the damage.
    """
    stdout = sys.stdout.buffer
    try:
        for text in lines(file):
            stdout.write(text)
        stdout.flush()
    except (DecodeError, NotAnExport) as error:
        stdout.flush()
        say(f"error: {file.name}: {error}")
        ctx.exit(Exit.FAILED)


def lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the rows of an export file as text, one JSON object a line, some whole lines at a time."""
    decoder = Decoder()
    while chunk := file.read(CHUNK):
        for batch in decoder.feed(chunk):
            yield batch.text
    for batch in decoder.close():
        yield batch.text
