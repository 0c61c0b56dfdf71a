"""What a new project begins with: a spec, a sweep, a page and data to try.

The spec and the sweeps beside this module are links to those of the repository, and files with the same bytes in an
installed package.
"""
