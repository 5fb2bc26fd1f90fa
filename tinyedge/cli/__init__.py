"""The command line: one module a command, parsing and exit codes only."""
