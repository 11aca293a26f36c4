"""Values and words that every part of the house shares; standard library and msgspec only."""
