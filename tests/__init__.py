"""Tests of gensuite."""
