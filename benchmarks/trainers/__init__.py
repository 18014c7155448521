"""Ways to train one model; each runs alone in a process and answers :mod:`benchmarks.training`."""
