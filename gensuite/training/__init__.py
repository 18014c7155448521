"""Training: the run folder, the one loop, and what remains of a run for export."""
