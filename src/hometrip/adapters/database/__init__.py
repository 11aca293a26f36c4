"""Adapters of the relational storage port."""
