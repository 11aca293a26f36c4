"""Geocoders, one file per technology, and the places that ship with HomeTrip (see ATTRIBUTION.md)."""
