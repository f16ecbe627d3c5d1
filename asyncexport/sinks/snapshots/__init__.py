"""Snapshots that stand somewhere, to be read again and compared."""
