"""Which exports are made, in which slots and in which order, and where they are moved."""
