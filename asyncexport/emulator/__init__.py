"""An Amazon Ads of our own, on loopback: demo, tests and benchmarks run against it.

Built on what is known of the real one (official pages, captures, what clients observed), in layers of its own, each
using only those before it:

- what exists: ``names``, ``regions`` (their hosts), ``world`` (grants and profiles), ``tree`` (what hangs on what),
  ``palette`` and ``*_records`` (the rows), ``data`` (rows that pass a request's filters, and the gzip file that holds
  them);
- what can go wrong: ``words``, ``faults``, ``drawing``, ``weather``, ``damage``;
- what is said: ``answers``, ``checks``, ``tokens``, ``rates``, ``laws``, ``objects``, ``exports``, ``profile_list`` and
  ``export_bodies`` by the API, ``spoil`` for its weather; ``store_errors``, ``urls``, ``s3`` by the object store;
- ``state`` puts these together into a server without sockets, to which time is passed in; ``spool``, ``sending`` and
  ``server`` put it on two listeners, one for the API and the tokens, one for the object store.

Only ``server`` and ``sending`` import aiohttp.
"""
