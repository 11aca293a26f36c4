"""The edge: one ring of ASGI middleware around every route, and the doors that each route declares."""
