"""Runs taken from other trackers (`kag import`), and given to other tools (`kag export`)."""
