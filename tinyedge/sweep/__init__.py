"""The whole family trained, exported and run: resumable, on one machine or many."""
