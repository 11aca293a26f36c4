"""The pure decisions of notification: which kinds there are, what a mail says, when a delivery is retried."""
