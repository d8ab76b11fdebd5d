"""The read-only wall: gates of the kernel around an agent, proved by real writes (P8).

Wire it with one call: `wall.guard(task, command)` gives the command behind the best proved gate.
"""
