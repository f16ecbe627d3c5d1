"""Rows as columns, and what differs between snapshots of them."""
