"""From values to meaning: calibration, quality, derived figures, totals, alarms.

Pure and synchronous, standard library only: no clock, no files, no log. Time comes in as a parameter (`at`, integer ns,
rising for one instance); what lies in the future of a newly given time is forgotten. Everything that remembers has
`state()`, a dict that JSON can hold, and `restore(state)`, which believes nothing and raises `StateError`.
"""
