"""What users would pick instead: each a program that does its work once, as it is told on standard input.

They run in environments of their own (:mod:`benchmarks.environments`) and import nothing of ours but
:mod:`benchmarks.peers.work`. The head of each file says which use of the thing is measured, and what had to be patched.
"""
