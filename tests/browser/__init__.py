"""The studio in a real browser: Debian's chromium, on a server of its own."""
