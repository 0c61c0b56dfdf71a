"""Epochs that several runs have in common are trained once: keys, states, and who makes one."""
