"""Several processes on one data folder: the first runs the house, those beside it answer what they can."""
