"""An Amazon Ads of our own, on loopback: demo, tests and benchmarks run against it.

Built on what is known of the real one (``api.md``), in layers of its own, each using only those before it:

- what exists: ``names``, ``world`` (grants and profiles), ``tree`` (what hangs on what), ``palette`` and ``*_records``
  (the rows), ``data`` (rows that pass a request's filters, and the gzip file that holds them);
- what is said: ``answers``, ``checks``, ``tokens``, ``laws``, ``exports``, ``urls``, ``s3``;
- what goes wrong: ``words``, ``weather``;
- ``state`` puts these together into a server without sockets, to which time is passed in; ``spool``, ``delivery`` and
  ``server`` put it on two listeners, one for the API and the tokens, one for the object store.

Only ``server`` and ``delivery`` import aiohttp.
"""
