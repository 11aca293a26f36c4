"""What answers at a port: our own server of HTTP/1.1, the same before the gateway and before services."""
