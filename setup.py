"""Shim for tools that still look for setup.py; everything it would say stands in pyproject.toml."""

from setuptools import setup

setup()
