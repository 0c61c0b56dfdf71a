"""Agents of a sweep on the engines that labs have: SLURM, Ray, Kubernetes. What these do themselves is left to them."""
