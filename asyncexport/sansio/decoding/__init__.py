"""From the bytes of an export's object to its rows."""
