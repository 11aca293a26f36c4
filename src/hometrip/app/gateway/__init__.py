"""A request's way through the gateway: from the client's connection (`front`, `line`) to a service's (`wire`)
and back.
"""
