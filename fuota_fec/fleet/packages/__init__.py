"""The packages of a virtual device, one module each, as in `wire`, and their dispatch."""
