"""Technologies behind the blob port."""
