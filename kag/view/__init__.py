"""One text for each fact, whatever shows it: the terminal, the change log, a report or the page."""
