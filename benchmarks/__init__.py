"""Numbers and pictures that the documents show, each made by a command of this package."""
