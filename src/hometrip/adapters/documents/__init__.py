"""Adapters of the document storage port."""
