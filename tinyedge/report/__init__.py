"""The report: its versioned schema, and one renderer a file."""
