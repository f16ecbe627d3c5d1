"""Object stores in the place of a disk."""
