"""A request's way through the gateway: from the client's connection to a service's (`wire`) and back."""
