"""Measurements with published or promised figures beside them; run from a checkout."""
