"""The width families: what each member costs, and how it is built."""
