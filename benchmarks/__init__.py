"""What the marketplace can do on one machine, and what it is measured against. `make bench` runs it."""
