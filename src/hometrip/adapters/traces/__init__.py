"""Where spans go: a buffer in this process, or a collector outside of it."""
