"""Rules of the change log, one module a topic. A rule states what the numbers say; causes and advice are human notes.

A rule is named like the code of its finding and fires at most once on a run. `kag.changelog.diagnose` lists them all.
"""
