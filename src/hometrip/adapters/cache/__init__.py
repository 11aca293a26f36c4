"""Where short-lived values, limits and announcements live."""
