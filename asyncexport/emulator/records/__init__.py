"""The rows of the emulated world, drawn from a seed."""
