"""What can be done with notifications: told once, delivered on each channel, read and marked."""
