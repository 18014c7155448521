"""How good a model is: each metric a function of arrays, with its paper and its protocol."""
