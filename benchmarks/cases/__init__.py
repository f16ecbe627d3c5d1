"""What is measured of ours: each a program that does its work once, as it is told on standard input."""
