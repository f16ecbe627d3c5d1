"""One account at work: its token, its calls, its profiles."""
