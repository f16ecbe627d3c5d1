"""The tables of a DuckDB file."""
