"""What is behind the published numbers; run from a checkout, ``python -m benchmarks.NAME``."""
