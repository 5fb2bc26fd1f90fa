"""Training: a frozen recipe, batches, one loop, checkpoints."""
