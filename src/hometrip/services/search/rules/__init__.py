"""The decisions of search: what is asked, which homes match it, in which order, and what is counted."""
