"""What is decided about accounts, passwords and tokens from values alone."""
