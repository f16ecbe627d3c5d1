"""Jobs from the first request to their one outcome."""
