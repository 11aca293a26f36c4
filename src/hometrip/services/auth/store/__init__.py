"""Tables of accounts, sessions and keys, and every query on them. No decision is made here."""
