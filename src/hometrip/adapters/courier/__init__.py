"""Couriers: a folder that can be read as a mailbox."""
