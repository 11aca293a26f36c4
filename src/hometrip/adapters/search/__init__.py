"""Adapters of the search port, a module for each technology."""
