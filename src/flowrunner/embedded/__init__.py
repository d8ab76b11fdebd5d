"""A private PostgreSQL for hosts where nobody has set one up.

Kept empty on purpose: the keeper process imports this package with the standard library only.
"""
