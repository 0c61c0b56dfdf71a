"""Pictures and reports of runs, for people: figures as values, drawn in a browser or on paper."""
