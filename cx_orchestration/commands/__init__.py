"""The commands of ``cx``, a module each; ``cli.py`` lists them and imports a module when its command is used.

Belongs here: arguments, printing, exit codes. Does not belong here: the work that a command starts.
"""
