"""Technologies behind the workshop port."""
