"""How fast calls may go, and when one is made again."""
