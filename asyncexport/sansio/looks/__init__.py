"""When to look at an export that is being made, and what is learned for that."""
