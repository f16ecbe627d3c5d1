"""A night at the cap, simulated: the real engine against the emulator's pure server, on a clock that jumps.

What is measured is how near the wall time of an endpoint comes to ``sum of generation times / slots``, what that costs
in requests, and what becomes of it when the cap moves, profiles are throttled, the API is away, or answers are lost.
:mod:`benchmarks.night.scenarios` says what a night brings, :mod:`benchmarks.night.strategies` who lives through it,
:mod:`benchmarks.night.witness` writes down what happens on the wire, :mod:`benchmarks.night.figures` reckons.
"""
