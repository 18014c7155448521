"""Measurements that anyone can repeat; a package of the checkout, not of the wheel."""
