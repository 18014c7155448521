"""Real images, through tensorflow-datasets, in three splits that stay apart."""
