"""How the gateway decides: where a request goes, what of it, what happens when a service fails."""
