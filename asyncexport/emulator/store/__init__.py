"""The emulated object store, and how it spoils what it sends."""
