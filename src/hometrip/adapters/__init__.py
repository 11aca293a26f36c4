"""The technologies behind the ports: `<port>/<technology>.py`, each knowing its own driver only."""
