"""What the answers to a download mean, and what comes after a fault."""
