"""The command line: every command of the product in plain lines, also its accessible interface.

Owns words, formats and exit codes. What the commands do is in the session; nothing here reaches around it.
"""
