"""Small interfaces to everything outside; each docstring states the promises that its contract suite
checks.
"""
