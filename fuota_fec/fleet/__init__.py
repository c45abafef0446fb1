"""Simulated end devices and the losses between them and the network."""
