"""A LAN of announcers in one process: ownership machines and BFD, faults of every kind, jumping time.

Everything follows from one seed, so a failing seed replays exactly. See __main__.py for how to run many.
"""
