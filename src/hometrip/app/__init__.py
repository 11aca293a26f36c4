"""The only code that sees everything: settings, wiring, the edge, and the command line."""
