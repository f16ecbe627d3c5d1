"""The sink that the settings describe, and for how long it is open."""

from __future__ import annotations

from pathlib import Path

from asyncexport.accounts import Secret
from asyncexport.app.settings import SinkSettings
from asyncexport.app.sinking import open_while, sink_of
from asyncexport.sinks import DuckDB, JsonLines, Parquet, Postgres


def test_the_sink_of_the_settings(tmp_path: Path) -> None:
    """The sink is what the settings say."""
    assert sink_of(SinkSettings(path=tmp_path, compression="none")) == JsonLines(str(tmp_path), compression="none")
    assert sink_of(SinkSettings("parquet", tmp_path, "gzip")) == Parquet(str(tmp_path), compression="gzip")
    assert sink_of(SinkSettings("postgres", dsn=Secret("postgresql://host/ads"), schema="ads")) == Postgres(
        "postgresql://host/ads", schema="ads"
    )
    assert sink_of(SinkSettings("duckdb", tmp_path, mode="latest")) == DuckDB(str(tmp_path), mode="latest")


async def test_a_database_stays_open(tmp_path: Path) -> None:
    """For the length of the block; a folder needs no opening."""
    sink = DuckDB(tmp_path / "ads.duckdb")
    async with open_while(sink) as opened, open_while(JsonLines(tmp_path)):
        assert opened is sink
        assert (tmp_path / "ads.duckdb").is_file()
